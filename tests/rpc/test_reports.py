"""Reports: how tasks end, what is repeated, and what comes late."""

from typing import Any

import pytest
from rpc.wire import Api, Refusal, refused, report, seconds, unset

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m

NOT_STARTED = m.EXECUTION_NOT_STARTED
MAY_BE_RUNNING = m.EXECUTION_MAY_BE_RUNNING
ENDED = m.EXECUTION_ENDED
FINISHED = ("FAILED_PRECONDITION", "TASK_FINISHED")

OUTCOMES: dict[str, dict[str, Any]] = {
    "success": {"success": m.Success(result=b"42")},
    "empty": {"success": m.Success()},
    "exit": {"error": m.Failure(reason=m.REASON_BAD_EXIT, message="no", exit_code=3)},
    "killed": {"error": m.Failure(reason=m.REASON_KILLED, message="oom", signal=9)},
    "zero": {"error": m.Failure(reason=m.REASON_BAD_EXIT, exit_code=0)},
    "stopped": {"stopped": m.Stopped()},
}
IN_TIME = [name for name in OUTCOMES if name != "stopped"]


def kind_of(answer: m.IdStatus | Refusal) -> tuple[str, str]:
    assert isinstance(answer, Refusal)
    return answer.kind


def status_of(answer: m.IdStatus | Refusal) -> m.IdStatus:
    assert isinstance(answer, m.IdStatus)
    return answer


async def expire(api: Api, queue: str) -> r.Claim:
    claim = await api.run_one(queue, lease=1)
    assert (await api.wait(claim.task.id)).status == m.STATUS_ERROR
    return claim


async def end(api: Api, queue: str, how: str) -> r.Claim:
    """Return the claim of a task that ended under its runner."""
    if how == "expired":
        return await expire(api, queue)
    claim = await api.run_one(queue)
    await api.cancel(claim.task.id, message="enough")
    return claim


async def test_a_success_keeps_its_result(api: Api, queue: str) -> None:
    claim = await api.run_one(queue, payload=b"in")
    done = await api.succeed(claim, b"out")
    task = await api.get(claim.task.id)
    assert m.IdStatus.FromString(task.SerializeToString()).status == done.status
    assert (task.status, task.execution, task.result) == (m.STATUS_SUCCESS, ENDED, b"out")
    assert (task.revision, task.update_time, task.end_time) == (
        done.revision,
        done.update_time,
        done.update_time,
    )
    assert unset(task, "reason", "message", "exit_code", "signal", "late_report")
    assert task.payload == b"in"
    assert [step.actor for step in task.transitions] == ["client", "runner:r1", "runner:r1"]


@pytest.mark.parametrize("name", ["exit", "killed", "zero"])
async def test_an_error_keeps_what_went_wrong(api: Api, queue: str, name: str) -> None:
    failure = OUTCOMES[name]["error"]
    claim = await api.run_one(queue)
    done = status_of(await api.finish(claim, error=failure))
    task = await api.get(claim.task.id)
    assert (done.status, done.reason, done.execution) == (m.STATUS_ERROR, failure.reason, ENDED)
    assert (task.message, task.reason) == (failure.message, failure.reason)
    assert task.HasField("exit_code") == failure.HasField("exit_code")
    assert task.HasField("signal") == failure.HasField("signal")
    assert (task.exit_code, task.signal) == (failure.exit_code, failure.signal)
    assert (task.transitions[-1].reason, task.result) == (failure.reason, b"")


@pytest.mark.parametrize("name", IN_TIME)
async def test_the_same_report_again_is_answered_with_what_stands(
    api: Api, queue: str, name: str
) -> None:
    claim = await api.run_one(queue)
    first = status_of(await api.finish(claim, **OUTCOMES[name]))
    assert await api.finish(claim, **OUTCOMES[name]) == first
    assert await api.status(claim.task.id) == first


@pytest.mark.parametrize("name", IN_TIME)
async def test_another_outcome_is_refused_and_changes_nothing(
    api: Api, queue: str, name: str
) -> None:
    claim = await api.run_one(queue)
    first = status_of(await api.finish(claim, **OUTCOMES[name]))
    others = [outcome for other, outcome in OUTCOMES.items() if other != name]
    others.append({"success": m.Success(result=b"43")})
    others.append({"error": m.Failure(reason=m.REASON_TIMEOUT, message="no", exit_code=3)})
    for other in others:
        assert kind_of(await api.finish(claim, **other)) == FINISHED
    task = await api.get(claim.task.id)
    assert (task.revision, task.HasField("late_report")) == (first.revision, False)


async def test_each_report_has_an_answer_of_its_own_in_order(api: Api, queue: str) -> None:
    good, cancelled, wrong, failed = [await api.run_one(queue) for _ in range(4)]
    await api.cancel(cancelled.task.id)
    answers = await api.finish_all(
        report(wrong, token="x", success=m.Success()),  # noqa: S106
        report(good, success=m.Success()),
        r.Report(id="unknown", stopped=m.Stopped()),
        report(cancelled, success=m.Success()),
        report(failed, **OUTCOMES["exit"]),
        report(good, success=m.Success()),
        report(good, **OUTCOMES["exit"]),
    )
    seen = [a.reason if isinstance(a, Refusal) else a.status for a in answers]
    assert seen == [
        "LEASE_NOT_HELD",
        m.STATUS_SUCCESS,
        "TASK_NOT_FOUND",
        "TASK_FINISHED",
        m.STATUS_ERROR,
        m.STATUS_SUCCESS,
        "TASK_FINISHED",
    ]


@pytest.mark.parametrize("name", IN_TIME)
@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_a_late_report_is_refused_and_kept(api: Api, queue: str, how: str, name: str) -> None:
    claim = await end(api, queue, how)
    before = await api.get(claim.task.id)
    assert (before.execution, before.HasField("late_report")) == (MAY_BE_RUNNING, False)
    refusal = await api.finish(claim, **OUTCOMES[name])
    assert kind_of(refusal) == FINISHED
    assert isinstance(refusal, Refusal)
    assert refusal.metadata["status"] == ("ERROR" if how == "expired" else "CANCELLED")
    after = await api.get(claim.task.id)
    kept = after.late_report
    assert {kept.WhichOneof("outcome"): getattr(kept, kept.WhichOneof("outcome") or "")} == (
        OUTCOMES[name]
    )
    assert (after.execution, kept.time) == (ENDED, after.update_time)
    assert after.revision > before.revision
    for field in ("execution", "revision", "update_time", "late_report"):
        after.ClearField(field)
        before.ClearField(field)
    assert after == before  # status, reason, message, end, result, transitions: as they were


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_only_the_first_late_report_is_kept(api: Api, queue: str, how: str) -> None:
    claim = await end(api, queue, how)
    await api.finish(claim, **OUTCOMES["success"])
    first = await api.get(claim.task.id)
    for outcome in OUTCOMES.values():
        assert kind_of(await api.finish(claim, **outcome)) == FINISHED
        assert await api.get(claim.task.id) == first


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_that_the_work_was_stopped_is_kept_and_answered_ok(
    api: Api, queue: str, how: str
) -> None:
    claim = await end(api, queue, how)
    before = await api.status(claim.task.id)
    done = status_of(await api.finish(claim, stopped=m.Stopped()))
    assert (done.status, done.reason, done.execution) == (before.status, before.reason, ENDED)
    assert done.revision > before.revision
    assert (await api.get(claim.task.id)).late_report.HasField("stopped")
    assert await api.finish(claim, stopped=m.Stopped()) == done
    assert kind_of(await api.finish(claim, success=m.Success())) == FINISHED
    assert await api.status(claim.task.id) == done


async def test_views_of_a_late_result(api: Api, queue: str) -> None:
    claim = await end(api, queue, "cancelled")
    await api.finish(claim, **OUTCOMES["success"])
    basic = await api.get(claim.task.id, m.TASK_VIEW_BASIC)
    assert basic.late_report.HasField("success")
    assert (basic.late_report.success.result, basic.result) == (b"", b"")
    full = await api.get(claim.task.id)
    assert (full.late_report.success.result, full.result) == (b"42", b"")


async def test_what_is_known_of_the_execution_at_every_stage(api: Api, queue: str) -> None:
    delayed = await api.create(queue, delay=seconds(3600))
    queued = await api.create(queue)
    assert (delayed.execution, queued.execution) == (NOT_STARTED, NOT_STARTED)
    for task in (delayed, queued):
        cancelled = await api.cancel(task.id)
        assert (cancelled.status, cancelled.execution) == (m.STATUS_CANCELLED, NOT_STARTED)
    claim = await api.run_one(queue)
    assert claim.task.execution == MAY_BE_RUNNING
    cancelled = await api.cancel(claim.task.id)
    assert (cancelled.status, cancelled.reason, cancelled.execution) == (
        m.STATUS_CANCELLED,
        m.REASON_CLIENT_REQUEST,
        MAY_BE_RUNNING,
    )
    await api.finish(claim, stopped=m.Stopped())
    assert (await api.status(claim.task.id)).execution == ENDED
    assert (await api.succeed(await api.run_one(queue))).execution == ENDED
    assert (await api.fail(await api.run_one(queue))).execution == ENDED


async def test_a_cancelled_task_keeps_what_the_one_who_cancelled_it_said(
    api: Api, queue: str
) -> None:
    task = await api.create(queue)
    first = await api.cancel(task.id, message="not needed")
    assert await api.cancel(task.id, message="something else") == first
    kept = await api.get(task.id)
    assert (kept.message, kept.reason) == ("not needed", m.REASON_CLIENT_REQUEST)
    assert (kept.revision, kept.end_time) == (first.revision, first.update_time)
    assert [(step.to, step.actor) for step in kept.transitions] == [
        (m.STATUS_QUEUED, "client"),
        (m.STATUS_CANCELLED, "client"),
    ]


async def test_a_finished_task_is_deleted_and_an_unfinished_one_is_not(
    api: Api, queue: str
) -> None:
    claim = await api.run_one(queue)
    assert (await refused(api.delete(claim.task.id))).reason == "TASK_NOT_FINISHED"
    await api.succeed(claim)
    await api.delete(claim.task.id)
    assert (await refused(api.get(claim.task.id))).reason == "TASK_NOT_FOUND"
    assert (await refused(api.delete(claim.task.id))).reason == "TASK_NOT_FOUND"
    assert kind_of(await api.finish(claim, success=m.Success())) == (
        "NOT_FOUND",
        "TASK_NOT_FOUND",
    )
    assert await api.every(filter=m.TaskFilter(queues=[queue])) == []
