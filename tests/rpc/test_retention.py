"""Finished tasks are deleted when they were kept long enough."""

import time
from collections.abc import Callable

from rpc.wire import Api, names, outcome, refused, seconds, span, until

from harness import ServerProcess
from idstatus.v1 import queue_service_pb2 as q
from idstatus.v1 import task_pb2 as m

Start = Callable[..., ServerProcess]


async def test_finished_tasks_are_kept_as_long_as_their_queue_says(
    start_server: Start, queue: str
) -> None:
    server = start_server("--retention", "1s")
    kept = f"{queue}-kept"
    async with Api.at(server.address) as api:
        done = await api.run_one(queue, payload=b"p", task_id="done")
        await api.succeed(done, b"r")
        failed = await api.run_one(queue)
        await api.fail(failed)
        cancelled = await api.create(queue)
        last = await api.cancel(cancelled.id)
        queued = await api.create(queue)
        delayed = await api.create(queue, delay=seconds(3600))
        running = await api.run_one(f"{queue}-running", lease=60)
        long = await api.create(kept)
        await api.update_queue(kept, retention=seconds(3600))
        await api.cancel(long.id)
        await until(lambda: is_past(span(last.update_time) + 1.05))
    server.kill()
    server.start()  # it tidies up as it starts
    async with Api.at(server.address) as api:
        gone = [done.task.id, failed.task.id, cancelled.id]
        await until(lambda: all_gone(api, gone))
        left = {queued.id, delayed.id, running.task.id, long.id}
        assert set(names(await api.every())) == left
        assert (await api.queue(queue)).counts == q.QueueCounts(queued=1, delayed=1)
        assert (await refused(api.create(queue, task_id="done"))).reason == "TASK_EXISTS"
        # From now on a shorter retention of the queue's own.
        await api.update_queue(kept, retention=seconds(1))
        await until(lambda: all_gone(api, [long.id]))
        assert (await api.queue(kept)).counts == q.QueueCounts()


async def is_past(instant: float) -> bool:
    return time.time() > instant


async def all_gone(api: Api, ids: list[str]) -> bool:
    answers = [await outcome(api.status(task_id)) for task_id in ids]
    return not any(isinstance(answer, m.IdStatus) for answer in answers)
