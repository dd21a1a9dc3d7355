"""Several server processes on one port, and the parent that keeps them.

The system hands each new connection to one of them. They are fresh processes, never
forks, which gRPC would not survive, and know of each other no more than servers on
several machines do: the database is what they share.

Parent and worker are joined by a line, a pair of sockets. The worker says over it that
it listens, or why it cannot. Its end tells the one that the other is gone.
"""

from idstatus_server.workers.crew import run
from idstatus_server.workers.parent import Parent

__all__ = ["Parent", "run"]
