"""Who may call what: the one table. A method without a row is not served."""

from typing import NamedTuple

from idstatus_server.access import Role

ANYBODY = frozenset(Role)
_READ = frozenset({Role.VIEWER, Role.PRODUCER, Role.OPERATOR, Role.ADMIN})
_PRODUCE = frozenset({Role.PRODUCER, Role.ADMIN})
_END = frozenset({Role.PRODUCER, Role.OPERATOR, Role.ADMIN})
_WORK = frozenset({Role.RUNNER, Role.ADMIN})
_OPERATE = frozenset({Role.OPERATOR, Role.ADMIN})


class Rule(NamedTuple):
    """Which roles may call a method. ``open``: whoever can connect, without credentials.

    ``everywhere``: what it shows belongs to no queue, so the role must be for all of them.
    ``audited``: who called it, and what for, is kept in the audit log.
    """

    roles: frozenset[Role]
    open: bool = False
    everywhere: bool = False
    audited: bool = False


_OPEN = Rule(ANYBODY, open=True)
_SCHEMA = Rule(ANYBODY)
_INNER = Rule(frozenset({Role.ADMIN}), everywhere=True)

_TASKS = "idstatus.v1.TaskService"
_RUNNERS = "idstatus.v1.RunnerService"
_QUEUES = "idstatus.v1.QueueService"
_OPERATIONS = "google.longrunning.Operations"
_HEALTH = "grpc.health.v1.Health"
_CHANNELZ = "grpc.channelz.v1.Channelz"

RULES: dict[str, Rule] = {
    f"{_TASKS}/CreateTask": Rule(_PRODUCE),
    f"{_TASKS}/BatchCreateTasks": Rule(_PRODUCE),
    f"{_TASKS}/GetTask": Rule(_READ),
    f"{_TASKS}/GetIdStatus": Rule(_READ),
    f"{_TASKS}/BatchGetIdStatuses": Rule(_READ),
    f"{_TASKS}/ExplainTask": Rule(_READ),
    f"{_TASKS}/ListTasks": Rule(_READ),
    f"{_TASKS}/WatchTasks": Rule(_READ),
    f"{_TASKS}/WaitTask": Rule(_READ),
    f"{_TASKS}/CancelTask": Rule(_END, audited=True),
    f"{_TASKS}/BatchCancelTasks": Rule(_END, audited=True),
    f"{_TASKS}/RetryTask": Rule(_END, audited=True),
    f"{_TASKS}/DeleteTask": Rule(_OPERATE, audited=True),
    f"{_RUNNERS}/ClaimTasks": Rule(_WORK),
    f"{_RUNNERS}/ExtendLeases": Rule(_WORK),
    f"{_RUNNERS}/FinishTasks": Rule(_WORK),
    f"{_RUNNERS}/Run": Rule(_WORK),
    f"{_QUEUES}/ListQueues": Rule(_READ),
    f"{_QUEUES}/GetQueue": Rule(_READ),
    f"{_QUEUES}/UpdateQueue": Rule(_OPERATE, audited=True),
    f"{_OPERATIONS}/ListOperations": Rule(_READ),
    f"{_OPERATIONS}/GetOperation": Rule(_READ),
    f"{_OPERATIONS}/WaitOperation": Rule(_READ),
    f"{_OPERATIONS}/CancelOperation": Rule(_END, audited=True),
    f"{_OPERATIONS}/DeleteOperation": Rule(_OPERATE, audited=True),
    f"{_HEALTH}/Check": _OPEN,
    f"{_HEALTH}/Watch": _OPEN,
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _SCHEMA,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _SCHEMA,
    f"{_CHANNELZ}/GetTopChannels": _INNER,
    f"{_CHANNELZ}/GetServers": _INNER,
    f"{_CHANNELZ}/GetServer": _INNER,
    f"{_CHANNELZ}/GetServerSockets": _INNER,
    f"{_CHANNELZ}/GetChannel": _INNER,
    f"{_CHANNELZ}/GetSubchannel": _INNER,
    f"{_CHANNELZ}/GetSocket": _INNER,
}
