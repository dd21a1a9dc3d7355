"""Fixtures: how much hostility, and which."""

from random import Random

import pytest


@pytest.fixture
def messages(pytestconfig: pytest.Config) -> int:
    """How many hostile requests are sent."""
    return int(pytestconfig.getoption("--messages"))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """What the hostile requests are drawn by."""
    given = pytestconfig.getoption("--seed")
    return Random().randrange(10**6) if given is None else int(given)
