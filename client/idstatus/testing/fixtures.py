"""A pytest plugin with one fixture, `idstatus_server`.

It is not loaded by itself. A `conftest.py` beside pytest's configuration asks for it:

```python
pytest_plugins = ["idstatus.testing.fixtures"]
```
"""

from collections.abc import Iterator

import pytest

from idstatus.testing import LocalServer


@pytest.fixture
def idstatus_server() -> Iterator[LocalServer]:
    """A server of the test's own, without any tasks."""
    with LocalServer() as server:
        yield server
