import enum
from typing import Any

import pytest

from idstatus.models import enums, wire
from idstatus.v1 import runner_service_pb2, task_pb2, task_service_pb2
from idstatus_server import lifecycle


@pytest.mark.parametrize(
    ("members", "codec", "schema"),
    [
        (enums.Status, wire.STATUS, task_pb2.Status),
        (enums.Reason, wire.REASON, task_pb2.Reason),
        (enums.Execution, wire.EXECUTION, task_pb2.Execution),
        (enums.TaskView, wire.TASK_VIEW, task_pb2.TaskView),
        (enums.ListOrder, wire.LIST_ORDER, task_service_pb2.ListOrder),
        (enums.ChangeType, wire.CHANGE_TYPE, task_service_pb2.TaskChange.Type),
        (enums.LeaseState, wire.LEASE_STATE, runner_service_pb2.LeaseResult.State),
    ],
)
def test_every_value_of_the_schema_has_a_member(
    members: type[enum.StrEnum], codec: wire.EnumCodec[Any], schema: Any
) -> None:
    assert [codec.decode_optional(number) for number in schema.values()] == [None, *members]
    assert [codec.encode(member) for member in members] == schema.values()[1:]


def test_client_and_server_agree_on_what_is_terminal() -> None:
    terminal = {status.name for status in enums.Status if status.is_terminal}
    assert terminal == {status.name for status in lifecycle.TERMINAL}


def test_statuses_read_as_the_contracts_words() -> None:
    assert [f"{status}" for status in enums.Status] == [
        "delayed",
        "queued",
        "running",
        "success",
        "error",
        "cancelled",
    ]
