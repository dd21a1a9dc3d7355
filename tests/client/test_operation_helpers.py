"""Tasks in the hands of Google's own helpers for long-running operations."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.api_core.future.polling import DEFAULT_POLLING
from google.api_core.operation import Operation, from_gapic
from google.api_core.operations_v1 import OperationsClient
from google.rpc.error_details_pb2 import ErrorInfo

from harness import ServerProcess
from idstatus import Claim, Client, Failure, Lease, Progress, Reason, Success
from idstatus.v1 import task_pb2 as m

PATIENCE = 60
OFTEN = DEFAULT_POLLING.with_delay(initial=0.05, maximum=0.1).with_timeout(PATIENCE)
Follow = Callable[[str], Operation]


@pytest.fixture
def operations(shared_server: ServerProcess) -> Iterator[Any]:
    with grpc.insecure_channel(shared_server.address) as channel:
        yield OperationsClient(channel)


@pytest.fixture
def follow(operations: Any) -> Follow:
    """Return what a client library would return for a task."""

    def follow(task_id: str) -> Operation:
        found = operations.get_operation(f"tasks/{task_id}")
        future: Operation = from_gapic(
            found, operations, m.Task, metadata_type=m.Task, polling=OFTEN
        )
        return future

    return follow


def run_one(client: Client, queue: str) -> Claim:
    client.create(b"in", queue=queue)
    (claim,) = client.claim([queue])
    return claim


def test_who_polls_for_the_result_gets_the_task_with_it(
    blocking_client: Client, queue: str, follow: Follow
) -> None:
    claim = run_one(blocking_client, queue)
    future = follow(claim.task.id)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(future.result)
        assert not future.done()
        blocking_client.finish([claim.report(Success(result=b"out"))])
        assert result.result(PATIENCE).result == b"out"
    assert (future.done(), future.cancelled(), future.exception()) == (True, False, None)


@pytest.mark.parametrize(
    ("reason", "raised"),
    [
        (Reason.TIMEOUT, exceptions.DeadlineExceeded),
        (Reason.KILLED, exceptions.Aborted),
        (Reason.BAD_EXIT, exceptions.Unknown),
    ],
)
def test_a_failure_is_raised_as_that_of_a_call(
    blocking_client: Client, queue: str, follow: Follow, reason: Reason, raised: type[Exception]
) -> None:
    claim = run_one(blocking_client, queue)
    blocking_client.finish([claim.report(Failure(reason=reason, message="sorry", exit_code=3))])
    future = follow(claim.task.id)
    with pytest.raises(raised, match="sorry"):
        future.result()
    error: Any = future.exception()
    info = ErrorInfo()
    assert error.errors[0].details[0].Unpack(info)
    assert (info.domain, info.reason, info.metadata["exit_code"]) == ("idstatus", reason.name, "3")


def test_a_task_is_cancelled_by_its_future(
    blocking_client: Client, queue: str, follow: Follow
) -> None:
    future = follow(blocking_client.create(queue=queue).id)
    assert future.cancel() is True
    assert future.cancelled()
    with pytest.raises(exceptions.Cancelled):
        future.result()
    assert future.cancel() is False


def test_the_metadata_tells_the_progress(
    blocking_client: Client, queue: str, follow: Follow
) -> None:
    claim = run_one(blocking_client, queue)
    future = follow(claim.task.id)
    assert (future.metadata.id, future.metadata.queue) == (claim.task.id, queue)
    progress = Progress(fraction=0.5, message="half way")
    lease = Lease(id=claim.task.id, lease_token=claim.lease_token, progress=progress)
    blocking_client.extend([lease])
    assert not future.done()
    assert future.metadata.progress.fraction == 0.5


def test_operations_are_listed_and_deleted(
    blocking_client: Client, queue: str, operations: Any
) -> None:
    created = [blocking_client.create(queue=queue).id for _ in range(3)]
    listed = operations.list_operations("tasks", f"metadata.queue={queue}")
    assert [found.name for found in listed] == [f"tasks/{task_id}" for task_id in created[::-1]]
    name = f"tasks/{created[0]}"
    with pytest.raises(exceptions.FailedPrecondition) as unfinished:
        operations.delete_operation(name)
    assert (unfinished.value.domain, unfinished.value.reason) == ("idstatus", "TASK_NOT_FINISHED")
    blocking_client.cancel(created[0])
    operations.delete_operation(name)
    with pytest.raises(exceptions.NotFound):
        operations.get_operation(name)
