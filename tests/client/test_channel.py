import json

import pytest

from harness import ServerProcess
from idstatus import Client, ResourceExhaustedError
from idstatus.channel import service_config


def test_all_unary_methods_are_repeated_after_unavailable_and_no_stream_is() -> None:
    (config,) = json.loads(service_config())["methodConfig"]
    names = {name["method"] for name in config["name"]}
    assert len(names) == 12 + 3 + 3
    assert names.isdisjoint({"WatchTasks", "Run"})
    assert config["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


def test_a_users_options_win(shared_server: ServerProcess) -> None:
    options = [("grpc.max_receive_message_length", 1)]
    refused = pytest.raises(ResourceExhaustedError, match="larger than max")
    with Client(shared_server.address, options=options) as client, refused:
        client.create()
