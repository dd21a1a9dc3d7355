"""Faults of the engine, each a function that switches it on."""

from typing import Any, NoReturn

from faults.switching import OFTEN, SELDOM, every, put

from idstatus_server.engine import Ledger
from idstatus_server.engine.commands import Cancel, Create, duty, finish
from idstatus_server.engine.commands.claim import Claim, Claimed
from idstatus_server.engine.commands.duty import MakeDue
from idstatus_server.engine.draft import Draft
from idstatus_server.errors import StoreUnavailableError, TaskFinishedError, TaskNotFoundError
from idstatus_server.lifecycle import Event, Execution, Reason, State, Status
from idstatus_server.limits import SECOND
from idstatus_server.model import Queue, Task
from idstatus_server.store.base import Needs
from idstatus_server.store.sqlite import SqliteStore


def claim_without_guard() -> None:
    """A claim may hand out a task that it saw waiting, though another got it meanwhile."""
    lease_out, seen = Claim._lease_out, list[tuple[Draft, Task]]()
    now = every(OFTEN)

    def blind(self: Claim, draft: Draft, task: Task) -> Task:
        others = [waiting for of, waiting in seen if of is not draft]
        seen.append((draft, task))
        del seen[:-5]
        return lease_out(self, draft, others[-1] if others and now() else task)

    put(Claim, "_lease_out", blind)


def lost_extension() -> None:
    """An extension of a lease is told and not kept."""
    update = Draft.update

    def forget(self: Draft, task: Task, **fields: object) -> Task:
        fields.pop("lease_expire_time", None)
        return update(self, task, **fields)

    put(Draft, "update", forget)
    put(Draft, "save", lambda _, task, **__: task)


def due_early() -> None:
    """A delayed task is queued before its time."""
    awake = SqliteStore.awake

    async def hasty(self: SqliteStore, status: Status, now: int, limit: int) -> list[Task]:
        early = now + SECOND if status is Status.DELAYED else now
        return await awake(self, status, early, limit)

    def queue_all(self: MakeDue, draft: Draft) -> int:
        due = self._present(draft, Status.DELAYED)
        for task in due:
            draft.move(task, Event.DUE, "server")
        return len(due)

    put(SqliteStore, "awake", hasty)
    put(MakeDue, "decide", queue_all)


def second_end() -> None:
    """A task that has ended can be cancelled all the same."""
    require = Draft.require

    def lenient(self: Draft, task: Task, event: Event, reason: Reason = Reason.NONE) -> State:
        if event is Event.CANCEL:
            return State(Status.CANCELLED, Reason.CLIENT_REQUEST, task.execution)
        return require(self, task, event, reason)

    put(Draft, "require", lenient)


def forgotten_request() -> None:
    """An answer is lost now and then, and its request is not known again."""
    submit, now = Ledger.submit, every(SELDOM)

    async def lossy(self: Ledger, command: Any) -> Any:
        answer = await submit(self, command)
        if isinstance(command, Create) and now():
            raise StoreUnavailableError("the answer was lost")
        return answer

    put(Ledger, "submit", lossy)
    put(Draft, "remember", lambda *_: None)


def lost_retry() -> None:
    """An error does without its automatic retry."""

    def give_up(
        draft: Draft, task: Task, event: Event, actor: str, reason: Reason, **fields: object
    ) -> Task:
        return draft.move(task, event, actor, reason, **fields)

    for module in (finish, duty):
        put(module, "fail", give_up)


def stray_cancel() -> None:
    """A cancellation strikes the newest task as well."""
    create, needs, decide = Create.decide, Cancel.needs, Cancel.decide
    newest, now = [""], every(OFTEN)

    def noting(self: Create, draft: Draft) -> list[Task]:
        tasks = create(self, draft)
        newest[0] = tasks[-1].id
        return tasks

    def needs_more(self: Cancel) -> Needs:
        wanted = needs(self)
        return wanted._replace(ids=wanted.ids | {newest[0]})

    def strike(self: Cancel, draft: Draft) -> Task:
        task = decide(self, draft)
        if now() and draft.status(newest[0]) is Status.QUEUED:
            draft.move(draft.task(newest[0]), Event.CANCEL, "client", Reason.CLIENT_REQUEST)
        return task

    put(Create, "decide", noting)
    put(Cancel, "needs", needs_more)
    put(Cancel, "decide", strike)


def out_of_turn() -> None:
    """A claim may hand out the task that came last."""
    following, now = Draft.next_claimable, every(OFTEN)

    def other(self: Draft, queue: str) -> Task | None:
        first = following(self, queue)
        waiting = self._claimable.get(queue, ())
        task = self._tasks.get(waiting[-1].id, waiting[-1]) if first and now() else first
        return task if task and task.status is Status.QUEUED else first

    put(Draft, "next_claimable", other)


def silent_claim() -> None:
    """A claim may hand out a task that its answer does not tell of."""
    decide, now = Claim.decide, every(OFTEN)

    def silent(self: Claim, draft: Draft) -> Claimed:
        claimed = decide(self, draft)
        return claimed._replace(tasks=claimed.tasks[:-1]) if now() else claimed

    put(Claim, "decide", silent)


def refused_claim() -> None:
    """A claim is refused now and then, as if it had named a task."""
    submit, now = Ledger.submit, every(SELDOM)

    async def picky(self: Ledger, command: Any) -> Any:
        if isinstance(command, Claim) and now():
            raise TaskNotFoundError("nobody")
        return await submit(self, command)

    put(Ledger, "submit", picky)


def forgotten_limit() -> None:
    """A retry makes its queue anew."""
    create = Draft.create

    def anew(self: Draft, *told: Any) -> Task:
        created = create(self, *told)
        if created.retry_of:
            self.set_queue(Queue(name=created.queue))
        return created

    put(Draft, "create", anew)


def lost_late_report() -> None:
    """A late report ends the execution, and is not kept."""

    def forget(draft: Draft, task: Task, _: object) -> NoReturn:
        draft.update(task, execution=Execution.ENDED)
        raise TaskFinishedError("it ended before", id=task.id, status=task.status.name)

    put(finish, "_keep_late", forget)


ENGINE_FAULTS = (
    claim_without_guard,
    lost_extension,
    due_early,
    second_end,
    forgotten_request,
    lost_retry,
    stray_cancel,
    out_of_turn,
    silent_claim,
    refused_claim,
    forgotten_limit,
    lost_late_report,
)
