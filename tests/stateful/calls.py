"""What goes over the wire, said in the model's words."""

from typing import Any

from google.rpc.error_details_pb2 import ErrorInfo
from stateful.model import CANCELLED, RUNNING, SUCCESS, Outcome, Task
from watch.sites import detail

from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2


def told(said: task_pb2.IdStatus) -> tuple[str, int, int, int, int]:
    """Return what an IdStatus says."""
    return (said.id, said.status, said.reason, said.execution, said.revision)


def reason_of(error: Any) -> str:
    """Return the reason of a call's error."""
    return detail(error, ErrorInfo).reason or f"{error.code()}: {error.details()}"


def reason_in(result: runner_pb.FinishResult) -> str:
    """Return the reason for which a report was refused, "" if it was not."""
    if not result.HasField("error"):
        return ""
    info = ErrorInfo()
    assert any(packed.Unpack(info) for packed in result.error.details)
    assert info.domain == "idstatus"
    return info.reason


def report_of(task_id: str, lease: str, outcome: Outcome) -> runner_pb.Report:
    """Return the report of an outcome."""
    report = runner_pb.Report(id=task_id, lease_token=lease)
    if outcome.status == SUCCESS:
        report.success.result = outcome.result
    elif outcome.status == CANCELLED:
        report.stopped.SetInParent()
    else:
        report.error.reason = task_pb2.Reason.ValueType(outcome.reason)
    return report


def compare(said: task_pb2.Task, task: Task) -> None:
    """Hold a whole task against the model's."""
    assert (said.id, said.status, said.reason, said.execution, said.revision) == task.said
    assert (said.priority, said.payload) == (task.priority, task.payload)
    assert (said.retry_of, said.retried_by) == (task.retry_of, task.retried_by)
    assert (said.root_id, said.retry_number) == (task.root or task.id, task.number)
    assert said.retries_left == task.retries_left
    assert said.HasField("end_time") == task.terminal
    assert said.HasField("start_time") == bool(task.lease)
    assert said.HasField("progress") == (task.fraction is not None)
    assert said.result == (task.outcome.result if task.outcome else b"")
    compare_late(said, task)
    compare_transitions(said, task)


def compare_late(said: task_pb2.Task, task: Task) -> None:
    """Hold the late report against the model's."""
    assert said.HasField("late_report") == (task.late is not None)
    if task.late and task.late.status == SUCCESS:
        assert said.late_report.success.result == task.late.result
    elif task.late and task.late.status != CANCELLED:
        assert said.late_report.error.reason == task.late.reason


def compare_transitions(said: task_pb2.Task, task: Task) -> None:
    """The transitions are a chain that leads from nothing to the status."""
    steps = said.transitions
    assert [getattr(step, "from") for step in steps] == [0, *(step.to for step in steps[:-1])]
    assert steps[-1].to == task.status
    assert steps[-1].reason == task.reason
    assert (RUNNING in [step.to for step in steps]) == bool(task.lease)
    revisions = [step.revision for step in steps]
    assert revisions == sorted(revisions)
    assert revisions[-1] <= task.revision
