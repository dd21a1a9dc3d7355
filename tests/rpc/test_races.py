"""Races: of those who want the same at once, one wins, and the others are told."""

import asyncio
import time
from typing import Any

from rpc.wire import Api, Refusal, names, new, outcome, report, seconds, until

from idstatus.v1 import runner_service_pb2 as r
from idstatus.v1 import task_pb2 as m

ROUNDS = 60


def split(answers: list[Any]) -> tuple[list[Any], list[str]]:
    """Return the answers, and the reasons of the refusals."""
    refusals = [answer.reason for answer in answers if isinstance(answer, Refusal)]
    return [answer for answer in answers if not isinstance(answer, Refusal)], refusals


async def together(*calls: Any) -> tuple[list[Any], list[str]]:
    return split(list(await asyncio.gather(*(outcome(call) for call in calls))))


async def test_of_a_cancellation_and_a_report_the_first_to_commit_wins(
    api: Api, queue: str
) -> None:
    winners = set()
    for number in range(ROUNDS):
        claim = await api.run_one(queue)
        calls = [api.cancel(claim.task.id), api.finish(claim, success=m.Success(result=b"x"))]
        calls = calls[::-1] if number % 2 else calls
        won, lost = await together(*calls)
        task = await api.get(claim.task.id)
        assert (len(won), lost) == (1, ["TASK_FINISHED"])
        assert won[0].status == task.status
        assert task.execution == m.EXECUTION_ENDED
        assert len(task.transitions) == 3
        if task.status == m.STATUS_SUCCESS:
            assert (task.result, task.HasField("late_report")) == (b"x", False)
            assert task.revision == won[0].revision
        else:
            assert task.status == m.STATUS_CANCELLED
            assert (task.result, task.late_report.success.result) == (b"", b"x")
            assert task.revision > won[0].revision
        winners.add(task.status)
    assert winners == {m.STATUS_SUCCESS, m.STATUS_CANCELLED}


async def test_a_task_is_claimed_once(api: Api, queue: str) -> None:
    for _ in range(ROUNDS):
        task = await api.create(queue)
        claims = await asyncio.gather(*(api.claim(queue) for _ in range(5)))
        assert [claim.task.id for found in claims for claim in found] == [task.id]


async def test_many_claimers_share_many_tasks(api: Api, queue: str) -> None:
    created = await api.create_many(500, queue)
    claims = await asyncio.gather(*(api.claim(queue, max_tasks=7) for _ in range(100)))
    claimed = [claim.task.id for found in claims for claim in found]
    assert sorted(claimed) == sorted(names(created))


async def test_of_two_retries_of_one_task_one_wins(api: Api, queue: str) -> None:
    for _ in range(ROUNDS):
        task = await api.create(queue)
        await api.cancel(task.id)
        won, lost = await together(*(api.retry(task.id) for _ in range(3)))
        assert (len(won), lost) == (1, ["TASK_ALREADY_RETRIED"] * 2)
        assert (await api.get(task.id)).retried_by == won[0].id
        chain = await api.every(filter=m.TaskFilter(root_id=task.id))
        assert names(chain) == [won[0].id, task.id]


async def test_a_retry_is_whole_even_if_its_task_is_deleted_at_once(api: Api, queue: str) -> None:
    for _ in range(ROUNDS):
        task = await api.create(queue, payload=b"precious")
        await api.cancel(task.id)
        others = [api.create(f"{queue}-other") for _ in range(4)]
        answers = await asyncio.gather(
            *others, outcome(api.retry(task.id)), outcome(api.delete(task.id))
        )
        retry = answers[-2]
        if isinstance(retry, m.Task):
            assert (await api.get(retry.id)).payload == b"precious"


async def test_of_20_creators_with_one_unique_key_one_wins(api: Api, queue: str) -> None:
    for number in range(ROUNDS // 3):
        key = f"{queue}-{number}"
        won, lost = await together(*(api.create(queue, unique_key=key) for _ in range(20)))
        assert (len(won), lost) == (1, ["UNIQUE_KEY_HELD"] * 19)


async def test_of_20_creators_with_one_id_one_wins(api: Api, queue: str) -> None:
    for number in range(ROUNDS // 3):
        task_id = f"{queue}-{number}"
        won, lost = await together(*(api.create(queue, task_id=task_id) for _ in range(20)))
        assert (names(won), lost) == ([task_id], ["TASK_EXISTS"] * 19)


async def test_20_creators_with_one_request_id_get_one_task(api: Api, queue: str) -> None:
    for number in range(ROUNDS // 3):
        request_id = f"{queue}-{number}"
        won, lost = await together(*(api.create(queue, request_id=request_id) for _ in range(20)))
        assert ([task == won[0] for task in won], lost) == ([True] * 20, [])
    assert len(await api.every(filter=m.TaskFilter(queues=[queue]))) == ROUNDS // 3


async def test_20_claimers_with_one_request_id_get_the_same_lease(api: Api, queue: str) -> None:
    for number in range(ROUNDS // 3):
        await api.create_many(2, queue)
        request_id = f"{queue}-{number}"
        claims = await asyncio.gather(*(api.claim(queue, request_id=request_id) for _ in range(20)))
        assert [found == claims[0] for found in claims] == [True] * 20
        assert len(claims[0]) == 1
        await api.cancel_batch(filter=m.TaskFilter(queues=[queue]))


async def test_two_batches_that_want_the_same_key_leave_nothing_of_the_loser(
    api: Api, queue: str
) -> None:
    for number in range(ROUNDS):
        key = f"{queue}-{number}"
        batches = [[new(key), new(key, unique_key=key), new(key)] for _ in range(3)]
        won, lost = await together(*(api.batch(*batch) for batch in batches))
        assert (len(won), lost) == (1, ["UNIQUE_KEY_HELD"] * 2)
        listed = await api.every(filter=m.TaskFilter(queues=[key]))
        assert names(listed) == names(won[0])[::-1]


async def test_a_cancellation_does_not_hide_the_next_task_from_a_claimer(
    api: Api, queue: str
) -> None:
    for _ in range(ROUNDS):
        first, second = await api.create_many(2, queue)
        others = [api.create(f"{queue}-other") for _ in range(4)]
        claiming = asyncio.wait_for(api.claim(queue, wait=60), 5)
        calls: list[Any] = [*others, api.cancel(first.id), claiming]
        *_, claims = await asyncio.gather(*calls)
        assert names(claims) in ([first.id], [second.id])
        await api.cancel(second.id)


async def test_the_same_report_from_many_is_one_end(api: Api, queue: str) -> None:
    for _ in range(ROUNDS // 3):
        claim = await api.run_one(queue)
        answers, refusals = await together(
            *(api.finish(claim, success=m.Success(result=b"x")) for _ in range(10))
        )
        assert ([answer == answers[0] for answer in answers], refusals) == ([True] * 10, [])


async def test_of_many_late_reports_one_is_kept(api: Api, queue: str) -> None:
    for _ in range(ROUNDS // 3):
        claim = await api.run_one(queue)
        await api.cancel(claim.task.id)
        failures = [m.Failure(reason=m.REASON_KILLED, message=str(n)) for n in range(10)]
        reports = [report(claim, error=failure) for failure in failures]
        await asyncio.gather(*(api.finish_all(said) for said in reports))
        task = await api.get(claim.task.id)
        assert task.late_report.error in failures
        assert task.late_report.time == task.update_time
        await api.finish_all(reports[0])
        assert await api.get(claim.task.id) == task


async def test_an_extension_and_an_expiry_agree(api: Api, queue: str) -> None:
    claims = [await api.run_one(f"{queue}-{n}", lease=1) for n in range(20)]
    states = await asyncio.gather(*(extend_until_told(api, claim) for claim in claims))
    for claim, extended_to in zip(claims, states, strict=True):
        task = await api.wait(claim.task.id)
        assert task.status == m.STATUS_ERROR
        assert task.end_time.ToNanoseconds() >= extended_to


async def extend_until_told(api: Api, claim: r.Claim) -> int:
    """Extend just before the end, and return until when the lease then lasts."""
    early = claim.lease_expire_time.ToNanoseconds() / 1e9 - 0.01
    await until(lambda: is_past(early))
    (result,) = await api.extend(
        r.Lease(id=claim.task.id, lease_token=claim.lease_token, lease_duration=seconds(1))
    )
    return result.lease_expire_time.ToNanoseconds()


async def is_past(instant: float) -> bool:
    return time.time() > instant


async def test_a_crowd_of_writers_makes_dense_revisions(own: Api, queue: str) -> None:
    tasks = await asyncio.gather(*(own.create(queue) for _ in range(300)))
    assert sorted(task.revision for task in tasks) == list(range(1, 301))
    ended = await asyncio.gather(*(own.cancel(task.id) for task in tasks))
    assert sorted(status.revision for status in ended) == list(range(301, 601))
