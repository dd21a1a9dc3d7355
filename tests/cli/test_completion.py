"""Completion, in a real shell and as shells ask for it."""

import os

from cli.program import BIN, Idstatus
from cli.terminal import Terminal

from harness import free_port
from idstatus import Client


def offered(idstatus: Idstatus, *words: str) -> list[str]:
    """Return what bash is offered for the last of the words."""
    asked = {
        "_IDSTATUS_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("idstatus", *words)),
        "COMP_CWORD": str(len(words)),
    }
    idstatus.environ.update(asked)
    return idstatus.says().split()


def test_tasks_are_offered_by_the_beginning_of_their_ids(
    idstatus: Idstatus, client: Client, queue: str
) -> None:
    for number in range(2):
        client.create(queue=queue, task_id=f"{queue}.{number}")
    assert sorted(offered(idstatus, "explain", queue)) == [f"{queue}.0", f"{queue}.1"]


def test_without_a_server_nothing_is_offered() -> None:
    idstatus = Idstatus(f"127.0.0.1:{free_port()}")
    assert offered(idstatus, "list", "--queue", "q") == []


def test_tab_completes_a_queue_in_bash(idstatus: Idstatus, client: Client, queue: str) -> None:
    client.create(queue=queue)
    environ = {**idstatus.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PS1": "ready> "}
    with Terminal("/bin/bash", "--norc", "-i", environ=environ) as shell:
        shell.looks("ready>")
        shell.types('eval "$(idstatus --show-completion bash)"; echo do""ne\n')
        shell.looks("(?m)^done$")
        shell.types(f"idstatus queues pause {queue[:-2]}\t")
        shell.looks(f"(?m)pause {queue} ?$")
