"""A well-behaved client beside the hostile ones: it must be served all the while."""

import threading
import time
from typing import Self

import grpc

from idstatus.v1 import task_service_pb2 as t
from idstatus.v1.task_service_pb2_grpc import TaskServiceStub

_PAUSE = 0.02
# What may befall a call beside an attack, on a machine that is busy with other tests, too.
_DEADLINE = 10.0


class Neighbour:
    """Creates tasks and asks for them, one after another, on a connection of its own.

    ``acknowledged`` holds the revision of each task that it was told of, ``latencies`` the
    seconds that calls took, and ``failures`` what it must not see.
    """

    def __init__(self, address: str) -> None:
        self.acknowledged: dict[str, int] = {}
        self.latencies: list[float] = []
        self.failures: list[grpc.RpcError] = []
        self._address = address
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def wait(self, calls: int = 3) -> None:
        """Return once so many more calls have been made."""
        wanted = len(self.latencies) + calls
        while len(self.latencies) < wanted:
            time.sleep(_PAUSE)

    def _live(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options) as channel:
            tasks = TaskServiceStub(channel)
            while not self._stopped.wait(_PAUSE):
                began = time.monotonic()
                try:
                    self._call(tasks)
                except grpc.RpcError as error:
                    self.failures.append(error)
                self.latencies.append(time.monotonic() - began)

    def _call(self, tasks: TaskServiceStub) -> None:
        request = t.CreateTaskRequest(queue="neighbour")
        task = tasks.CreateTask(request, timeout=_DEADLINE).task
        self.acknowledged[task.id] = task.revision
        tasks.GetIdStatus(t.GetIdStatusRequest(id=task.id), timeout=_DEADLINE)
