"""What is measured, and what it must reach: the only place that says so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One ratio: ours to the other side's."""

    name: str
    ours: str
    other: str
    unit: str
    must: float | None = None
    """None: it is reported, and has nothing to reach."""
    aim: float | None = None
    lower: bool = False
    """The lower the ratio, the better."""

    def met(self, ratio: float) -> bool:
        """Say whether a ratio is what it must be."""
        return self.must is None or (ratio <= self.must if self.lower else ratio >= self.must)


_EMPTY = "empty handler"
_BARE = "bare stream, same bytes"
_SAME = "same with 10,000 stored"

MEASURES = {
    measure.name: measure
    for measure in (
        Measure("get", "GetIdStatus, 256 in flight", _EMPTY, "calls/s", 0.80, 0.95),
        Measure("create", "CreateTask, 256 in flight", _EMPTY, "calls/s", 0.60, 0.80),
        Measure("create-request", "CreateTask with a request id", _EMPTY, "calls/s"),
        Measure(
            "create-one",
            "CreateTask, one caller",
            "empty call + commit",
            "ms",
            1.5,
            1.2,
            lower=True,
        ),
    )
}
