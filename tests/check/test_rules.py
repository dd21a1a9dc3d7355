# ruff: noqa: S608  # all SQL here is the tests' own
"""Each rule of ``check``: a store that is broken in just that way, and the breach is named."""

import pytest
from check.scene import breaches, execute, play, seal

from idstatus_server.check.audit import PARTS, check_file
from idstatus_server.check.history import ENTRY_RULES
from idstatus_server.check.log import END_RULES, STEP_RULES
from idstatus_server.check.tables import TABLE_RULES
from idstatus_server.check.tasks import LINK_RULES, STANDING_RULES

# The last revisions of the two units, and of tasks, by what has happened in the scene.
_FIRST = "(SELECT min(revision) FROM log WHERE unit > revision)"
_SEQ = "(SELECT seq FROM tasks WHERE id = 'retried')"
_LOG_OF = "seq = (SELECT seq FROM tasks WHERE id = '{}')"


def in_log(column: str, old: str, new: str, task_id: str, kind: str = "max") -> str:
    """Return what changes a document in the newest (or oldest) change of a task."""
    of_task = _LOG_OF.format(task_id)
    return (
        f"UPDATE log SET {column} = replace({column}, '{old}', '{new}') WHERE revision = "
        f"(SELECT {kind}(revision) FROM log WHERE {of_task})"
    )


def in_task(old: str, new: str, task_id: str, by: str = "id") -> str:
    """Return what changes the document of a task; a retry is named by its root."""
    return f"UPDATE tasks SET doc = replace(doc, '{old}', '{new}') WHERE {by} = '{task_id}'"


def column(name: str, value: object, task_id: str) -> str:
    """Return what changes a column of a task."""
    return f"UPDATE tasks SET {name} = {value} WHERE id = '{task_id}'"


COLUMNS = "columns_repeat_the_document"
LAST = "task_is_as_its_last_change_left_it"
READ = "all_can_be_read"
CASES: list[tuple[str, str, str]] = [
    ("log_is_dense", "revision 4", "DELETE FROM log WHERE revision = 3"),
    ("units_are_whole", "revision 4", "UPDATE log SET unit = 5 WHERE revision = 3"),
    ("units_are_whole", "revision 4", "UPDATE log SET unit = 3 WHERE revision = 4"),
    (
        "units_have_one_time",
        "revision",
        f"UPDATE log SET time = time - 1 WHERE revision = {_FIRST}",
    ),
    ("time_never_goes_back", "revision 4", "UPDATE log SET time = 1 WHERE revision = 4"),
    ("log_begins_where_it_was_compacted", "log", "DELETE FROM log WHERE revision = 1"),
    ("log_begins_where_it_was_compacted", "log", "UPDATE head SET compacted = 3"),
    ("log_ends_at_the_head", "log", "UPDATE head SET revision = revision + 1"),
    ("log_ends_at_the_head", "log", "DELETE FROM log"),
    (
        "log_ends_at_the_head",
        "log",
        "UPDATE log SET unit = unit + 1 WHERE revision = (SELECT max(revision) FROM log)",
    ),
    ("head_is_no_older_than_the_log", "log", "UPDATE head SET time = 1"),
    (
        "change_is_what_its_row_says",
        "done",
        in_log("after", '"revision":3', '"revision":9', "done"),
    ),
    ("change_is_what_its_row_says", "done", "UPDATE log SET time = time + 1 WHERE revision = 3"),
    (
        "log_tells_of_each_creation",
        "revision 1,",
        "UPDATE log SET before = after WHERE revision = 1",
    ),
    (
        "log_tells_of_each_creation",
        "revision 2,",
        "UPDATE log SET before = NULL WHERE revision = 2",
    ),
    ("log_tells_of_each_creation", "task retried", "DELETE FROM log WHERE revision = " + _SEQ),
    ("change_goes_on_from_the_last", "revision 3,", in_log("before", "red", "blue", "done")),
    ("change_goes_on_from_the_last", "done", "UPDATE log SET kind = 4 WHERE revision = 2"),
    ("change_is_allowed", "revision 3,", in_log("before", '"status":3', '"status":1', "done")),
    ("change_is_allowed", "revision 3,", "UPDATE log SET kind = 3 WHERE revision = 3"),
    ("change_is_allowed", "revision 2,", "UPDATE log SET kind = 4 WHERE revision = 2"),
    ("deleted_ids_stay_used", "task deleted", "DELETE FROM used_ids"),
    ("deleted_ids_stay_used", "task deleted", "UPDATE used_ids SET retried_by = 'nobody'"),
    ("deleted_ids_stay_used", "task deleted", "UPDATE used_ids SET queue = 'other'"),
    (COLUMNS, "task held", column("revision", "revision + 1", "held")),
    (COLUMNS, "task held", column("queue", "'other'", "held")),
    (COLUMNS, "task held", column("status", 3, "held")),
    (COLUMNS, "task held", column("priority", 4, "held")),
    (COLUMNS, "task held", column("queued_revision", 1, "held")),
    (COLUMNS, "task held", column("unique_key", "NULL", "held")),
    (COLUMNS, "task done", column("unique_key", "'other'", "done")),
    (COLUMNS, "task done", column("end_time", "NULL", "done")),
    (COLUMNS, "task delayed", column("wake_time", "NULL", "delayed")),
    (COLUMNS, "task running", column("wake_time", 1, "running")),
    (COLUMNS, "task held", column("root_id", "'other'", "held")),
    (LAST, "task held", in_task("red", "blue", "held")),
    (LAST, "task running", in_task("red", "blue", "running")),
    (LAST, "task held", "UPDATE log SET kind = 4 WHERE " + _LOG_OF.format("held")),
    (LAST, "task held", "DELETE FROM log WHERE " + _LOG_OF.format("held")),
    ("state_is_one_of_the_machine", "task done", in_task('"execution":3', '"execution":1', "done")),
    ("transitions_lead_to_its_status", "task done", in_task('"to":4', '"to":5', "done")),
    ("transitions_lead_to_its_status", "task done", in_task('"source":3', '"source":2', "done")),
    (
        "id_is_not_a_deleted_tasks",
        "task held",
        "INSERT INTO used_ids SELECT id, seq, '', queue FROM tasks WHERE id = 'held'",
    ),
    (
        "retry_is_known_to_its_origin",
        "task ",
        in_task('"retry_number":1', '"retry_number":7', "failed", "root_id"),
    ),
    ("retry_is_known_to_its_origin", "task ", "DELETE FROM tasks WHERE id = 'failed'"),
    (
        "retry_is_known_to_its_origin",
        "task held",
        in_task('"root_id":"held"', '"root_id":"x"', "held"),
    ),
    ("origin_is_known_to_its_retry", "task retried", "DELETE FROM tasks WHERE root_id = 'retried'"),
    (
        "origin_is_known_to_its_retry",
        "task retried",
        in_task('"retry_of":"retried"', '"retry_of":"held"', "retried", "root_id"),
    ),
    ("counts_are_those_of_the_tasks", "queue held", "UPDATE counts SET tasks = tasks + 1"),
    ("counts_are_those_of_the_tasks", "queue held", "DELETE FROM counts"),
    ("only_deletion_removes_a_task", "revision 3", "DELETE FROM tasks WHERE id = 'done'"),
    (
        "payloads_and_results_have_tasks",
        "payloads 999",
        "UPDATE payloads SET seq = 999 WHERE seq = 1",
    ),
    (
        "payloads_and_results_have_tasks",
        "results 999",
        "UPDATE results SET seq = 999 WHERE seq = 1",
    ),
    (
        "unique_keys_are_held_once",
        "unique key key",
        "DROP INDEX tasks_unique_key; " + column("unique_key", "'key'", "delayed"),
    ),
    ("queues_of_tasks_are_known", "queue held", "DELETE FROM queues WHERE name = 'held'"),
    (READ, "task held", "UPDATE tasks SET doc = '{' WHERE id = 'held'"),
    (READ, "revision 2", "UPDATE log SET after = '{\"id\": 3}' WHERE revision = 2"),
    (READ, "revision 2", "UPDATE log SET kind = 7 WHERE revision = 2"),
    (READ, "queue held", "UPDATE queues SET doc = '[]' WHERE name = 'held'"),
    (READ, "queue held", "UPDATE queues SET doc = replace(doc, 'held', 'hold')"),
    (READ, "task held", in_task("red", "rod", "held")),
    (READ, "revision 3", in_log("before", "red", "rod", "done")),
    (READ, "revision 3", in_log("after", "red", "rod", "done")),
    (READ, "payload 1", "UPDATE payloads SET data = substr(data, 2) WHERE seq = 1"),
    (READ, "result 1", "UPDATE results SET data = substr(data, 2) WHERE seq = 1"),
    (READ, "request request-of-held", "UPDATE requests SET answer = 'so'"),
    (READ, "check_log", "DELETE FROM head"),
]


@pytest.mark.parametrize(("rule", "where", "damage"), CASES)
async def test_a_breach_is_named(url: str, rule: str, where: str, damage: str) -> None:
    await play(url)
    assert await breaches(url) == []
    await execute(url, *damage.split("; "))
    if rule != READ:
        await seal(url)  # a bug wrote it so, and no disk has lost it
    found = await breaches(url)
    named = [breach for breach in found if breach.rule == rule and where in breach.where]
    assert named, "\n".join(map(str, found))
    assert all("\n" not in str(breach) for breach in found)


def test_each_rule_has_its_case() -> None:
    rules = (*STEP_RULES, *END_RULES, *ENTRY_RULES, *STANDING_RULES, *LINK_RULES, *TABLE_RULES)
    names = {rule.__name__ for rule in rules} - {"the_rest_can_be_read"}
    assert names | {"deleted_ids_stay_used", READ} == {rule for rule, _, _ in CASES}
    assert check_file in PARTS  # its case is a file that is damaged: test_damage.py
