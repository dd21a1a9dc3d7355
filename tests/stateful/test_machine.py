"""Hypothesis drives a running server and a model of the contract side by side."""

import uuid
from collections import Counter
from typing import Any, ClassVar

import grpc
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from stateful import model
from stateful.calls import compare, reason_in, reason_of, report_of, told
from stateful.model import CANCELLED, ERROR, HOUR, RUNNING, SUCCESS, Model, Outcome, Policy, Task

from harness import ServerProcess
from idstatus.v1 import queue_service_pb2 as queue_pb
from idstatus.v1 import runner_service_pb2 as runner_pb
from idstatus.v1 import task_pb2
from idstatus.v1 import task_service_pb2 as pb
from idstatus.v1.queue_service_pb2_grpc import QueueServiceStub
from idstatus.v1.runner_service_pb2_grpc import RunnerServiceStub
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

EXAMPLES, STEPS = 50, 40
NEWEST = 5  # of how many tasks one is picked: few enough that each has a story
WRONG = "not-the-lease"
REASONS = (task_pb2.REASON_TIMEOUT, task_pb2.REASON_KILLED, task_pb2.REASON_BAD_EXIT)
NAMES = ("delayed", "queued", "running", "success", "error", "cancelled")

STEADY = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
any_task = st.integers(0, NEWEST - 1)
policies = st.builds(
    Policy,
    retries=st.integers(0, 2),
    delay=st.sampled_from((0, HOUR)),
    reasons=st.sampled_from(((), (task_pb2.REASON_KILLED,))),
)
outcomes = st.one_of(
    st.builds(Outcome, st.just(SUCCESS), st.just(0), st.sampled_from((b"", b"one", b"two"))),
    st.builds(Outcome, st.just(ERROR), st.sampled_from(REASONS)),
    st.just(Outcome(CANCELLED)),
)


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The server has refused a call."""


class Machine(RuleBasedStateMachine):
    """One queue of the server, and its model."""

    channel: ClassVar[grpc.Channel]

    def __init__(self) -> None:
        super().__init__()
        self.api = TaskServiceStub(self.channel)
        self.runner = RunnerServiceStub(self.channel)
        self.ops = QueueServiceStub(self.channel)
        self.queue = f"q-{uuid.uuid4().hex[:12]}"
        self.model = Model()
        self.newest = 0

    # -- helpers

    def pick(self, number: int, *, leased: bool = False) -> Task:
        """Return one of the newest tasks, or of those that were claimed."""
        claimed = [task for task in self.model.tasks if task.lease]
        tasks = claimed if leased and claimed else self.model.tasks
        return tasks[-1 - number % min(len(tasks), NEWEST)]

    def call(self, method: Any, request: Any) -> Any:
        """Make a call, or raise Refused with the reason."""
        try:
            return method(request)
        except grpc.RpcError as error:
            raise Refused(reason_of(error)) from error

    def refusal(self, method: Any, request: Any) -> str:
        """Return the reason why a call is refused."""
        try:
            answer = self.call(method, request)
        except Refused as refused:
            return str(refused)
        raise AssertionError(f"not refused: {answer}")

    def advance(self, task: Task, revision: int) -> None:
        """Note the revision of a change: it must be the newest of all."""
        assert revision > self.newest
        task.revision = self.newest = revision

    def status(self, task_id: str) -> task_pb2.IdStatus:
        answer = self.api.GetIdStatus(pb.GetIdStatusRequest(id=task_id))
        return answer.id_status

    # -- producers

    @initialize(
        items=st.lists(st.tuples(st.integers(0, 2), policies), min_size=4, max_size=8),
    )
    def begin(self, items: list[tuple[int, Policy]]) -> None:
        """Have something to work on: a story that begins with nothing rarely gets far."""
        for priority, policy in items:
            self.create(priority, delayed=False, key="", policy=policy, payload=b"")

    @rule(
        priority=st.integers(0, 3),
        delayed=st.booleans(),
        key=st.sampled_from(("", "", "k1", "k2")),
        policy=policies,
        payload=st.binary(max_size=3),
    )
    def create(
        self, priority: int, delayed: bool, key: str, policy: Policy, payload: bytes
    ) -> None:
        request = pb.CreateTaskRequest(
            queue=self.queue, priority=priority, payload=payload, retry_policy=policy.message()
        )
        request.unique_key = key and f"{self.queue}.{key}"
        if delayed:
            request.delay.FromSeconds(HOUR)
        if self.model.holder(key):
            assert self.refusal(self.api.CreateTask, request) == "UNIQUE_KEY_HELD"
            return
        made = self.call(self.api.CreateTask, request).task
        status = model.DELAYED if delayed else model.QUEUED
        task = Task(made.id, status, 0, priority, payload, key, policy, policy.retries)
        self.advance(task, made.revision)
        self.model.add(task)

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task)
    def create_with_a_taken_id(self, number: int) -> None:
        request = pb.CreateTaskRequest(queue=self.queue, task_id=self.pick(number).id)
        assert self.refusal(self.api.CreateTask, request) == "TASK_EXISTS"

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task, leased=st.booleans())
    def cancel(self, number: int, leased: bool) -> None:
        task = self.pick(number, leased=leased)
        request = pb.CancelTaskRequest(id=task.id)
        refused = "TASK_NOT_FOUND" if task.gone else "TASK_FINISHED"
        if task.gone or task.status in (SUCCESS, ERROR):
            assert self.refusal(self.api.CancelTask, request) == refused
            return
        said = self.call(self.api.CancelTask, request).id_status
        if not task.terminal:
            task.status, task.reason = CANCELLED, task_pb2.REASON_CLIENT_REQUEST
            self.advance(task, said.revision)
        assert told(said) == task.said

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task, delay=st.sampled_from((0, HOUR)))
    def retry(self, number: int, delay: int) -> None:
        task = self.pick(number)
        request = pb.RetryTaskRequest(id=task.id, delay=Duration(seconds=delay))
        refused = (
            "TASK_NOT_FOUND"
            if task.gone
            else "TASK_NOT_FINISHED"
            if not task.terminal
            else "TASK_ALREADY_RETRIED"
        )
        if task.gone or not task.terminal or task.retried_by:
            assert self.refusal(self.api.RetryTask, request) == refused
            return
        made = self.call(self.api.RetryTask, request).task
        self.advance(task, self.status(task.id).revision)
        self._retried(task, made.id, delay, task.policy.retries)

    def _retried(self, old: Task, new_id: str, delay: int, left: int) -> None:
        new = self.model.retry(old, new_id, self.status(new_id).revision, delay, left)
        assert new.revision == old.revision + 1  # they were committed together
        self.newest = new.revision
        for task in (old, new):
            compare(self.api.GetTask(pb.GetTaskRequest(id=task.id)).task, task)

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task)
    def delete(self, number: int) -> None:
        task = self.pick(number)
        request = pb.DeleteTaskRequest(id=task.id)
        if task.gone or not task.terminal:
            refused = "TASK_NOT_FOUND" if task.gone else "TASK_NOT_FINISHED"
            assert self.refusal(self.api.DeleteTask, request) == refused
            return
        self.call(self.api.DeleteTask, request)
        task.gone = True
        assert self.refusal(self.api.GetTask, pb.GetTaskRequest(id=task.id)) == "TASK_NOT_FOUND"

    # -- runners

    @rule()
    def claim_one(self) -> None:
        self.claim(1)

    @rule(count=st.integers(1, 3))
    def claim(self, count: int) -> None:
        request = runner_pb.ClaimTasksRequest(
            queues=[self.queue], max_tasks=count, lease_duration=Duration(seconds=HOUR)
        )
        claims = self.call(self.runner.ClaimTasks, request).claims
        expected = self.model.next_in_line(count)
        assert [claim.task.id for claim in claims] == [task.id for task in expected]
        for task, claim in zip(expected, claims, strict=True):
            task.status, task.execution, task.lease = (
                RUNNING,
                model.MAY_BE_RUNNING,
                claim.lease_token,
            )
            assert (claim.task.payload, bool(task.lease)) == (task.payload, True)
            self.advance(task, claim.task.revision)

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task, outcome=outcomes, right=st.sampled_from((True, True, True, False)))
    def finish(self, number: int, outcome: Outcome, right: bool) -> None:
        task = self.pick(number, leased=right)
        report = report_of(task.id, task.lease if right and task.lease else WRONG, outcome)
        request = runner_pb.FinishTasksRequest(reports=[report])
        (result,) = self.call(self.runner.FinishTasks, request).results
        if task.gone:
            refused = "TASK_NOT_FOUND"
        elif not task.lease:
            refused = "TASK_FINISHED" if task.terminal else "TASK_NOT_RUNNING"
        elif not right:
            refused = "LEASE_NOT_HELD"
        else:
            refused = self._report(task, outcome)
        assert reason_in(result) == refused
        if not refused:
            assert told(result.id_status) == task.said

    def _report(self, task: Task, outcome: Outcome) -> str:
        """Report with the right lease; return the refusal that is due."""
        before = (task.status, task.execution, task.late)
        refused = task.finish(outcome)
        if before == (task.status, task.execution, task.late):
            return refused
        self.advance(task, self.status(task.id).revision)
        failed = task.status == ERROR and not task.late
        if failed and task.retries_left > 0 and task.policy.retries_on(task.reason):
            new_id = self.api.GetTask(pb.GetTaskRequest(id=task.id)).task.retried_by
            self._retried(task, new_id, task.policy.delay, task.retries_left - 1)
        return refused

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task, right=st.booleans(), fraction=st.sampled_from((None, 0.0, 0.5)))
    def extend(self, number: int, right: bool, fraction: float | None) -> None:
        task = self.pick(number, leased=right)
        lease = runner_pb.Lease(id=task.id, lease_token=task.lease if right else WRONG)
        if fraction is not None:
            lease.progress.fraction = fraction
        request = runner_pb.ExtendLeasesRequest(leases=[lease])
        (result,) = self.call(self.runner.ExtendLeases, request).results
        state = runner_pb.LeaseResult.STATE_LOST
        if right and task.lease and not task.gone and task.status == RUNNING:
            state = runner_pb.LeaseResult.STATE_EXTENDED
            if fraction is not None and fraction != task.fraction:
                task.fraction = fraction
                self.advance(task, self.status(task.id).revision)
        elif right and task.lease and not task.gone and task.status == CANCELLED:
            state = runner_pb.LeaseResult.STATE_CANCELLED
        assert result.state == state

    # -- those who ask

    @precondition(lambda self: self.model.tasks)
    @rule(number=any_task)
    def get(self, number: int) -> None:
        task = self.pick(number)
        request = pb.GetTaskRequest(id=task.id)
        if task.gone:
            assert self.refusal(self.api.GetTask, request) == "TASK_NOT_FOUND"
            return
        compare(self.api.GetTask(request).task, task)

    @rule(oldest_first=st.booleans(), size=st.integers(1, 4))
    def list_all(self, oldest_first: bool, size: int) -> None:
        order = pb.LIST_ORDER_OLDEST_FIRST if oldest_first else pb.LIST_ORDER_NEWEST_FIRST
        request = pb.ListTasksRequest(page_size=size, order=order)
        request.filter.queues.append(self.queue)
        listed: list[str] = []
        while True:
            page = self.api.ListTasks(request)
            listed += [task.id for task in page.tasks]
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        expected = [task.id for task in self.model.living]
        assert listed == (expected if oldest_first else expected[::-1])

    @precondition(lambda self: self.model.tasks)
    @rule()
    def count(self) -> None:
        counts = self.ops.GetQueue(queue_pb.GetQueueRequest(name=self.queue)).queue.counts
        expected = Counter(task.status for task in self.model.living)
        for status, name in enumerate(NAMES, start=1):
            assert getattr(counts, name) == expected[status]

    @invariant()
    def every_status_is_the_models(self) -> None:
        ids = [task.id for task in self.model.living]
        if ids:
            answer = self.api.BatchGetIdStatuses(pb.BatchGetIdStatusesRequest(ids=ids))
            expected = [task.said for task in self.model.living]
            assert [told(said) for said in answer.id_statuses] == expected


def test_the_server_does_what_the_model_does(shared_server: ServerProcess) -> None:
    with grpc.insecure_channel(shared_server.address) as channel:
        bound = type("Bound", (Machine,), {"channel": channel})
        run_state_machine_as_test(bound, settings=STEADY)
