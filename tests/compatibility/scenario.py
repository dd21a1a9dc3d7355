"""What clients do with servers, through the public face of the package `idstatus`.

Started with a server's address; which version of the package plays it, PYTHONPATH decides. Ends
with status 0, and the package's place on standard output, if all came as it must.
"""

import sys
from pathlib import Path
from queue import SimpleQueue

import grpc

import idstatus
from idstatus import (
    Client,
    Execution,
    Lease,
    ListOrder,
    Progress,
    Report,
    Status,
    Success,
    TaskFilter,
    TaskFinishedError,
)
from idstatus.v1 import runner_service_pb2 as pb
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub

QUEUE = "by-hand"
PATIENCE = 30.0


def play(client: Client) -> None:
    """Create, watch, claim, extend, finish, cancel, read, list, retry, pause, delete."""
    done = client.create(queue=QUEUE, payload=b"hello", labels={"of": "scenario"}, priority=1)
    off = client.create(queue=QUEUE, delay=3600, unique_key="off")
    with client.watch([done.id, off.id]) as watch:
        seen = [next(watch), next(watch)]
        (claim,) = client.claim([QUEUE], wait=PATIENCE, runner="scenario")
        assert (claim.task.id, claim.task.payload) == (done.id, b"hello")
        half_way = Progress(fraction=0.5, message="half way")
        client.extend([Lease(id=done.id, lease_token=claim.lease_token, progress=half_way)])
        report = Report(id=done.id, lease_token=claim.lease_token, outcome=Success(result=b"HELLO"))
        client.finish([report])
        client.cancel(off.id, message="not today")
        seen += watch  # it ends by itself: both are terminal
    assert [(change.id_status.id, change.id_status.status) for change in seen] == [
        (done.id, Status.QUEUED),
        (off.id, Status.DELAYED),
        (done.id, Status.RUNNING),
        (done.id, Status.RUNNING),  # its progress
        (done.id, Status.SUCCESS),
        (off.id, Status.CANCELLED),
    ]
    read_and_tidy(client, done.id, off.id)


def read_and_tidy(client: Client, done: str, off: str) -> None:
    """Read what became of the two tasks, and clear them away."""
    whole = client.get(done)
    assert (whole.result, whole.labels, len(whole.transitions)) == (b"HELLO", {"of": "scenario"}, 3)
    assert whole.execution is Execution.ENDED
    try:
        client.cancel(done)
    except TaskFinishedError as error:
        assert error.metadata["id"] == done  # noqa: PT017  # pytest does not play here
    else:
        raise AssertionError("a finished task was cancelled")
    again = client.retry(off)
    listed = client.list(TaskFilter(queues=[QUEUE]), order=ListOrder.OLDEST_FIRST)
    assert [task.id for task in listed] == [done, off, again.id]
    assert client.update_queue(QUEUE, paused=True).counts.queued == 1
    assert client.claim([QUEUE]) == []
    assert client.cancel_batch(task_filter=TaskFilter(root_id=off)).count == 1
    client.delete(done)
    assert client.queue(QUEUE).counts.cancelled == 2


def run_one(client: Client, address: str) -> None:
    """Do a task over the stream, with the stubs: the runner's own face may still change."""
    task = client.create(queue="shouts", payload=b"hello")
    requests: SimpleQueue[pb.RunRequest | None] = SimpleQueue()
    with grpc.insecure_channel(address) as channel:
        answers = RunnerServiceStub(channel).Run(iter(requests.get, None))
        requests.put(pb.RunRequest(subscription=pb.Subscription(queues=["shouts"], capacity=1)))
        assert next(answers).subscription.capacity == 1
        (claim,) = next(answers).claims.claims
        report = pb.Report(id=claim.task.id, lease_token=claim.lease_token)
        report.success.result = claim.task.payload.upper()
        requests.put(pb.RunRequest(tag=1, finish=pb.FinishTasksRequest(reports=[report])))
        (result,) = next(answers).finish.results
        assert result.id_status.id == task.id
        requests.put(None)
    assert client.wait(task.id, timeout=PATIENCE).result == b"HELLO"


if __name__ == "__main__":
    with Client(sys.argv[1]) as producer:
        play(producer)
        run_one(producer, sys.argv[1])
    sys.stdout.write(f"{Path(idstatus.__file__).parent}")
