"""The tasks as they stand: equal to their last change, in a state of the machine, well linked."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import NamedTuple

from idstatus_server.check.breach import Breach, batched, judge, unreadable
from idstatus_server.check.history import oldest_revision
from idstatus_server.check.states import name, reachable, same
from idstatus_server.errors import StoreDamagedError
from idstatus_server.model import Kind, Task
from idstatus_server.store.base import Snapshot
from idstatus_server.store.rows import new_task_columns, read_task

# In the order of ``new_task_columns``, then the last change.
_ROWS = """
SELECT t.revision, t.status, t.queued_revision, t.wake_time, t.end_time, t.unique_key, t.doc, t.seq,
  t.id, t.queue, t.priority, t.root_id, l.kind, l.after
FROM tasks AS t LEFT JOIN log AS l
  ON l.revision = (SELECT max(revision) FROM log WHERE seq = t.seq) ORDER BY t.seq"""
_LINKED = "SELECT id, doc FROM tasks WHERE id IN {ids}"
_USED = "SELECT id, retried_by FROM used_ids WHERE id IN {ids}"
_AT_ONCE = 500
_COLUMNS = (
    *("revision", "status", "queued_revision", "wake_time", "end_time", "unique_key", "doc", "seq"),
    *("id", "queue", "priority", "root_id"),
)


class Standing(NamedTuple):
    """A task, its columns by name, and its last change: ``kind`` None if the log has none.

    The log begins at the revision ``oldest``.
    """

    task: Task
    columns: Mapping[str, object]
    kind: int | None
    after: Task | None
    oldest: int


class Linked(NamedTuple):
    """A task and what its links lead to: tasks, and retries of used ids, both by id."""

    task: Task
    tasks: Mapping[str, Task]
    used: Mapping[str, str]


def columns_repeat_the_document(standing: Standing) -> Iterator[str]:
    """The columns that the indexes need are those of the document."""
    said = dict(zip(_COLUMNS, new_task_columns(standing.task), strict=True))
    for column, value in standing.columns.items():
        if column != "doc" and value != said[column]:
            yield f"its column {column} is {value}, its document says {said[column]}"


def task_is_as_its_last_change_left_it(standing: Standing) -> Iterator[str]:
    """A task equals the newest entry of its log."""
    if standing.kind == Kind.DELETED:
        yield "its last change is its deletion"
    elif standing.after and not same(standing.after, standing.task):
        yield f"it is not as its last change, {standing.after.revision}, has left it"
    elif standing.after is None and standing.task.revision >= standing.oldest:
        yield f"its last change, {standing.task.revision}, is not in the log"


def state_is_one_of_the_machine(standing: Standing) -> Iterator[str]:
    """The machine leads there."""
    if standing.task.state not in reachable():
        yield f"no event leads to {name(standing.task.state)}"


def transitions_lead_to_its_status(standing: Standing) -> Iterator[str]:
    """Each transition goes on from the one before, and the last ends where the task stands."""
    task = standing.task
    source = None
    for step in task.transitions:
        if step.source is not source:
            yield f"a transition at {step.revision} comes from {step.source!r}, not {source!r}"
        source = step.to
    if source is not task.status:
        yield f"its transitions end at {source!r}, it is {task.status.name}"


def id_is_not_a_deleted_tasks(linked: Linked) -> Iterator[str]:
    """An id is used once."""
    if linked.task.id in linked.used:
        yield "its id is among those of deleted tasks"


def retry_is_known_to_its_origin(linked: Linked) -> Iterator[str]:
    """What a task retries names it as its retry, and is one step nearer to the root."""
    task = linked.task
    old = linked.tasks.get(task.retry_of)
    if not task.retry_of:
        if (task.retry_number, task.root_id) != (0, task.id):
            yield f"it retries nothing, but is retry {task.retry_number} of {task.root_id}"
    elif old:
        expected = (task.id, task.root_id, task.retry_number)
        if (old.retried_by, old.root_id, old.retry_number + 1) != expected:
            yield (
                f"as retry {task.retry_number} of {old.id}, root {task.root_id}, it does not go "
                f"with that one: number {old.retry_number}, root {old.root_id}, "
                f"retried by {old.retried_by or 'nobody'}"
            )
    elif linked.used.get(task.retry_of) != task.id:
        yield f"it retries {task.retry_of}, which does not know it"


def origin_is_known_to_its_retry(linked: Linked) -> Iterator[str]:
    """What retries a task names it as its origin."""
    task = linked.task
    new = linked.tasks.get(task.retried_by)
    if new and new.retry_of != task.id:
        yield f"its retry {new.id} retries {new.retry_of or 'nothing'}"
    if task.retried_by and not new and task.retried_by not in linked.used:
        yield f"its retry {task.retried_by} never was"


STANDING_RULES = (
    columns_repeat_the_document,
    task_is_as_its_last_change_left_it,
    state_is_one_of_the_machine,
    transitions_lead_to_its_status,
)
LINK_RULES = (
    id_is_not_a_deleted_tasks,
    retry_is_known_to_its_origin,
    origin_is_known_to_its_retry,
)


async def check_tasks(snapshot: Snapshot) -> AsyncIterator[Breach]:
    """Yield the breaches of each task."""
    oldest = await oldest_revision(snapshot)
    async for rows in batched(snapshot.rows(_ROWS), _AT_ONCE):
        tasks = []
        for *row, kind, after in rows:
            columns = dict(zip(_COLUMNS, row, strict=True))
            where = f"task {columns['id']}"
            try:
                task = read_task(columns["doc"])
                left = read_task(after) if after else None
            except StoreDamagedError as error:
                yield unreadable(where, error)
                continue
            tasks.append(task)
            standing = Standing(task, columns, kind, left, oldest)
            for breach in judge(STANDING_RULES, standing, where):
                yield breach
        async for linked in _follow_links(snapshot, tasks):
            for breach in judge(LINK_RULES, linked, f"task {linked.task.id}"):
                yield breach


async def _follow_links(snapshot: Snapshot, tasks: Sequence[Task]) -> AsyncIterator[Linked]:
    """Yield the tasks with what they are linked to; what cannot be read is told elsewhere."""
    ids = {i for task in tasks for i in (task.id, task.retry_of, task.retried_by) if i}
    if not ids:
        return
    used = {row[0]: row[1] async for row in snapshot.rows(_USED, ids)}
    known: dict[str, Task] = {}
    broken: set[str] = set()
    async for task_id, doc in snapshot.rows(_LINKED, ids):
        try:
            known[task_id] = read_task(doc)
        except StoreDamagedError:
            broken.add(task_id)
    for task in tasks:
        if not broken & {task.retry_of, task.retried_by}:
            yield Linked(task, known, used)
