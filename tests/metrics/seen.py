"""A server that is looked at, and what is seen of it over HTTP."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import httpx
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from waiting import until

from harness import ServerProcess, free_port


class Metrics:
    """All that one scrape has shown."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    def samples(self, name: str, labels: Mapping[str, str]) -> list[Sample]:
        return [
            sample
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all that have the name and the labels; there must be one at least."""
        found = self.samples(name, labels)
        assert found, (name, labels)
        return sum(sample.value for sample in found)

    def has(self, name: str) -> bool:
        return bool(self.samples(name, {}))


def fetched(address: str) -> Metrics:
    """Scrape an address."""
    answer = httpx.get(f"http://{address}/metrics", timeout=30)
    assert answer.status_code == 200, answer.text
    return Metrics(answer.text)


class WatchedServer(ServerProcess):
    """A server with a port for its metrics, which is ``watched`` there."""

    def __init__(self, folder: Path, *flags: str, store: str | None = None) -> None:
        self.watched = f"127.0.0.1:{free_port()}"
        super().__init__(folder, "--metrics-listen", self.watched, *flags, store=store)

    @classmethod
    def started(cls, folder: Path, *flags: str, store: str | None = None) -> Self:
        folder.mkdir(exist_ok=True)
        return cls(folder, *flags, store=store).start()

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{self.watched}{path}", timeout=30)

    def metrics(self) -> Metrics:
        return fetched(self.watched)

    def shows(self, holds: Callable[[Metrics], object]) -> Metrics:
        """Return the first metrics of which it holds."""
        seen: list[Metrics] = []

        def does() -> object:
            seen.append(self.metrics())
            return holds(seen[-1])

        until(does)
        return seen[-1]
