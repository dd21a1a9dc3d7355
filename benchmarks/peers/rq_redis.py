"""RQ on Redis: rq_redis.py TASKS [--unary] [--fsync]."""

import sys
import time

import rig
from redis import Redis
from rq import Queue, Worker
from rq.registry import FinishedJobRegistry

# Without a fork for each job: RQ's guide allows it for jobs as short as these, which it speeds up.
WORKER = "rq.worker.SimpleWorker"


def nothing(payload: str) -> None:
    """Do nothing."""


def enqueue(queue: Queue, tasks: int, *, unary: bool) -> None:
    """Enqueue tasks."""
    work = "rq_redis.nothing"  # by name: here the module is called __main__
    if unary:
        for _ in range(tasks):
            queue.enqueue(work, rig.PAYLOAD)
        return
    for first in range(0, tasks, rig.BATCH):
        size = min(rig.BATCH, tasks - first)
        queue.enqueue_many([Queue.prepare_data(work, (rig.PAYLOAD,)) for _ in range(size)])


def measure(queue: Queue, tasks: int, *, unary: bool) -> float:
    """Return how long it takes until the last job is known to be finished."""
    finished = FinishedJobRegistry(queue=queue)
    wanted = finished.count + tasks
    start = time.perf_counter()
    enqueue(queue, tasks, unary=unary)
    rig.until(lambda: finished.count >= wanted, tasks=tasks)
    seconds = time.perf_counter() - start
    assert finished.count == wanted, f"{finished.count} jobs are finished"
    return seconds


def main() -> None:
    """Run Redis and a pool of RQ workers, one for each core, and measure."""
    asked = rig.asked(on_redis=True)
    with rig.redis(fsync=asked.fsync) as socket:
        url = f"unix://{socket}"
        how = ("worker-pool", "-u", url, "-n", rig.CORES, "-w", WORKER, "-l", "WARNING")
        with (
            Redis.from_url(url) as connection,
            rig.running(sys.executable, "-m", "rq.cli", *how),
        ):
            rig.until(lambda: Worker.count(connection=connection) == rig.CORES)
            queue = Queue(connection=connection)
            measure(queue, rig.WARM_UP, unary=asked.unary)
            seconds = measure(queue, asked.tasks, unary=asked.unary)
    rig.tell_on_redis(
        asked,
        "RQ on Redis",
        seconds,
        packages=("rq", "redis"),
        settings={
            "workers": f"worker-pool of {rig.CORES} SimpleWorker",
            "enqueue": "enqueue, one caller" if asked.unary else f"enqueue_many of {rig.BATCH}",
            "known by": "FinishedJobRegistry",
        },
        promises_less=[
            "no watch: statuses are polled",
            "a job whose worker dies is called failed, whether it ran or not",
            "results are gone after 500 s",
        ],
    )


if __name__ == "__main__":
    main()
