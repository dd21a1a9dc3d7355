"""For the tests of those who use idstatus: a real server inside the test's own process.

```python
from idstatus import Client
from idstatus.testing import LocalServer

with LocalServer() as server, Client(server.address) as client:
    print(client.create("hello").status.name)  # QUEUED
```

For pytest there is a fixture: see `idstatus.testing.fixtures`. All of it needs the server:
`pip install 'idstatus[server]'`.
"""

try:
    from idstatus.testing.local_server import LocalServer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"idstatus.testing needs the server ({error}): pip install 'idstatus[server]'",
        name=error.name,
    ) from error

__all__ = ["LocalServer"]
