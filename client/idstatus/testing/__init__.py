"""For the tests of those who use idstatus: a real server inside the test's own process.

    with LocalServer() as server, Client(server.address) as client:
        ...

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
