"""The benchmark: what the server does, as ratios to what cannot be less or to what others do.

    make bench                                            all of it, in ten minutes
    .venv/bin/python benchmarks/bench.py get create       some of it

The two sides of each ratio take turns in one run, on one core; the load has the others.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Mapping

import alone
import crosscheck
import fanout
import growth
import idle
import lag
import lives
import unary
from contest import AbsentError, Contest, Setting, on_postgres
from measures import MEASURES
from results import Figure, Results
from workplace import workplace

# More than a server may keep in memory, or fewer.
_FEW, _MANY = 1_000, 50_000

CONTESTS: Mapping[str, Contest] = {
    "get": unary.get(_FEW),
    "get-many": unary.get(_MANY),
    "get-h2load": crosscheck.get,
    "create": unary.create,
    "create-request": unary.create_with_request_id,
    "create-one": alone.create_one,
    "fan-out-1": fanout.fan_out(1),
    "fan-out-100": fanout.fan_out(100),
    "fan-out-1000": fanout.fan_out(1000),
    "lag": lag.lag,
    "idle": idle.idle,
    "lifecycle-procrastinate": lives.against("procrastinate_postgres.py"),
    "lifecycle-celery": lives.against("celery_redis.py"),
    "lifecycle-rq": lives.against("rq_redis.py"),
    "lifecycle-river": lives.against("river_postgres.py", built=True),
    "lifecycle-unary": lives.against("procrastinate_postgres.py", "--unary", size=1),
    "growth": growth.growth,
    "postgres-get": on_postgres(unary.get(_FEW)),
    "postgres-create": on_postgres(unary.create),
    "postgres-lifecycle": on_postgres(lives.against("procrastinate_postgres.py")),
    "replicas": on_postgres(lives.replicas),
}
_LEAST_ROUNDS = 5
# What `make bench` has no time for.
_ONLY_IN_FULL = {"create-request", "lifecycle-rq", "lifecycle-river"}


def measure(at: Setting, name: str, rounds: int) -> list[Figure]:
    """Let the two sides of a contest take turns."""
    figures: dict[str, Figure] = {}
    with CONTESTS[name](at, name) as sides:
        for number in range(rounds):
            samples = {}
            for side in (0, 1) if number % 2 else (1, 0):  # who begins may have it easier
                samples[side] = sides[side]()
            for which in samples[0].values:
                figure = figures.setdefault(which, Figure(MEASURES[which]))
                figure.ours.append(samples[0])
                figure.other.append(samples[1])
    return list(figures.values())


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(CONTESTS))
    parser.add_argument("--rounds", type=int, default=_LEAST_ROUNDS, help="of each side")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--full", action="store_true", help="a million tasks, longer peers")
    given = parser.parse_args()
    if unknown := set(given.measures) - set(CONTESTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def everything(*, full: bool) -> list[str]:
    """Return the names of what is measured if nothing is asked for by name."""
    return [name for name in CONTESTS if full or name not in _ONLY_IN_FULL]


def main() -> None:
    """Measure what is asked for, and show it; if that is everything, write it down and draw it."""
    given = arguments()
    with workplace(given.seconds, full=given.full) as (at, found):
        results = Results(found)
        for name in given.measures or everything(full=given.full):
            start = time.perf_counter()
            try:
                results.figures += measure(at, name, given.rounds)
            except AbsentError as error:
                results.absent[name] = str(error)
            except Exception as error:  # noqa: BLE001  # the others are measured nevertheless
                traceback.print_exc()
                results.failed[name] = repr(error)
            took = time.perf_counter() - start
            print(f"{name}: {took:.0f} s", file=sys.stderr, flush=True)
    results.show()
    if not given.measures:
        from plot import draw  # noqa: PLC0415  # needs the extra, which a single measure does not

        results.save()
        draw()
    sys.exit(bool(results.failed))


if __name__ == "__main__":
    main()
