"""Celery on Redis: celery_redis.py TASKS [--unary] [--fsync]."""

import sys
import time

import rig
from celery import Celery, group
from celery.result import ResultSet

# Late, so that a task outlives a worker; 64 is what Celery's guide names for many short tasks.
SETTINGS = {"task_acks_late": True, "worker_prefetch_multiplier": 64}
app = Celery("peers", set_as_current=True)
app.conf.update(SETTINGS)


@app.task(name="nothing")
def nothing(payload: str) -> None:
    """Do nothing."""


def enqueue(tasks: int, *, unary: bool) -> ResultSet:
    """Enqueue tasks; return what stands for their results."""
    if unary:
        return ResultSet([nothing.delay(rig.PAYLOAD) for _ in range(tasks)])
    many = group(nothing.s(rig.PAYLOAD) for _ in range(tasks))
    with app.producer_pool.acquire(block=True) as producer, producer.batch(rig.BATCH):
        return many.apply_async(producer=producer)


def measure(tasks: int, *, unary: bool) -> float:
    """Return how long it takes until the last result is known."""
    start = time.perf_counter()
    results = enqueue(tasks, unary=unary)
    results.get(timeout=rig.patience(tasks))
    seconds = time.perf_counter() - start
    assert results.completed_count() == len(set(results.results)) == tasks
    return seconds


def main() -> None:
    """Run Redis and one Celery worker with a process for each core, and measure."""
    asked = rig.asked(on_redis=True)
    with rig.redis(fsync=asked.fsync) as socket:
        url = f"redis+socket://{socket}"
        app.conf.update(broker_url=url, result_backend=url)
        where = ("-A", "celery_redis", "-b", url, "--result-backend", url)
        how = ("worker", "--concurrency", rig.CORES, "--loglevel", "WARNING")
        with rig.running(sys.executable, "-m", "celery", *where, *how):
            rig.until(lambda: app.control.ping(timeout=0.5))
            measure(rig.WARM_UP, unary=asked.unary)
            seconds = measure(asked.tasks, unary=asked.unary)
    rig.tell_on_redis(
        asked,
        "Celery on Redis",
        seconds,
        packages=("celery", "kombu", "redis"),
        settings=SETTINGS
        | {
            "worker": f"prefork, {rig.CORES} processes",
            "enqueue": "delay, one caller" if asked.unary else "group in a batch of the producer",
            "known by": "results.get",
        },
        promises_less=[
            "an id may run twice: what is not acknowledged within an hour is delivered again",
            "no watch: a result is published once, to who listens then",
            "an unknown id counts as pending",
            "results are gone after a day",
        ],
    )


if __name__ == "__main__":
    main()
