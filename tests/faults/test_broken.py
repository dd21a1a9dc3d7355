"""Each rule finds the fault that breaks it; the server that has none passes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.broken import FAULTS
from faults.trial import BrokenServer, not_caught, rules_broken_by_a_cut, unseen_without_a_fault

pytestmark = pytest.mark.sqlite

BROKEN = {
    "stale-read": {"Linearizable"},
    "second-end": {"Linearizable", "Terminal"},
    "lost-extension": {"Leased"},
    "due-early": {"Timely"},
    "forgotten-request": {"CreatedOnce"},
    "lost-retry": {"Retried"},
    "stray-cancel": {"Asked"},
    "mixed-up-payloads": {"AsAsked"},
    "forgotten-key": {"KeyHeld"},
    "out-of-turn": {"InLine"},
    "silent-claim": {"Told"},
    "refused-claim": {"Refused"},
    "forgotten-limit": {"Bounded"},
    "lost-late-report": {"LateKept"},
    "skipped-change": {"Reliable"},
    "repeated-change": {"Unique"},
    "disorder": {"Ordered"},
    "split-pair": {"Atomic"},
    "bookmark-ahead": {"Bookmarkable"},
    "leaking-filter": {"Filterable"},
    "filter-hides-the-last": {"Filterable"},
    "resume-skips": {"Resumable"},
}
# These leave a store that is not sound, so each has one of its own.
DAMAGING = {
    "lost-fsync": {"Durable"},
    "claim-without-guard": {"RunsOnce", "Exclusive", "Linearizable"},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenServer]:
    """A server whose faults are switched on one after the other."""
    server = BrokenServer(tmp_path_factory.mktemp("broken")).start()
    yield server
    server.kill()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[BrokenServer]:
    """A server of the test's own, to be started."""
    server = BrokenServer(tmp_path)
    yield server
    server.kill()


def test_each_fault_has_its_rules() -> None:
    assert {**BROKEN, **DAMAGING}.keys() == FAULTS.keys()


async def test_a_server_without_a_fault_passes_and_everything_happens(own: BrokenServer) -> None:
    assert await unseen_without_a_fault(own.start()) == set()


@pytest.mark.parametrize(("fault", "rules"), BROKEN.items())
async def test_a_fault_is_caught(shared: BrokenServer, fault: str, rules: set[str]) -> None:
    assert await not_caught(shared, fault, rules) == set()


async def test_a_claim_without_its_guard_is_caught(own: BrokenServer) -> None:
    fault = "claim-without-guard"
    assert await not_caught(own.start(), fault, DAMAGING[fault]) == set()


async def test_a_lost_fsync_is_caught(tmp_path: Path) -> None:
    fault = "lost-fsync"
    server = BrokenServer(tmp_path, fault)
    assert await rules_broken_by_a_cut(server, lambda: None) >= DAMAGING[fault]
