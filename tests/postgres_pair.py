"""Two PostgreSQL servers: a primary, and a standby that follows it by streaming replication."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from postgres_server import PostgresServer
from waiting import until

LOCAL = "127.0.0.1"


class PostgresPair:
    """A primary and its standby. A commit waits for the standby too, unless told otherwise."""

    def __init__(self, version: int) -> None:
        self.primary = PostgresServer(version, host=LOCAL)
        self.standby = PostgresServer(version, host=LOCAL)

    def start(self, *, synchronous: bool = True) -> Self:
        """Start both, and return once the standby follows."""
        self.primary.start(wal_level="replica")
        self.standby.copy(self.primary)
        self.standby.start()
        if synchronous:
            self.primary.configure(synchronous_standby_names="*")
        state = "sync" if synchronous else "async"
        following = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
        until(lambda: self.primary.sql(following) == state)
        return self

    def fail_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.primary.kill()
        self.promote()

    def promote(self) -> None:
        """Let the standby take over."""
        self.standby.sql("SELECT pg_promote()")

    def is_even(self) -> bool:
        """Tell whether the standby has all that the primary has."""
        even = "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication"
        return self.primary.sql(even) == "t"

    @contextmanager
    def hang(self) -> Iterator[None]:
        """Let the standby stand still meanwhile."""
        processes = self.standby.processes()
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
        for process in processes:
            os.kill(process, signal.SIGCONT)

    def cut_off(self) -> None:
        """Let the standby receive nothing more."""
        self.standby.configure(primary_conninfo="")
        until(lambda: not self.primary.sql("SELECT pid FROM pg_stat_replication"))

    def stop(self) -> None:
        """Stop both and delete their data."""
        self.primary.stop()
        self.standby.stop()

    def new_database(self) -> str:
        """Make an empty database, and return the URL that finds the primary of the time."""
        name = self.primary.new_database().rpartition("/")[2]
        hosts = ",".join(f"{LOCAL}:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql://postgres@{hosts}/{name}?target_session_attrs=read-write"
