"""One watch over any number of streams."""

import logging
import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import grpc

from idstatus.core.backoff import Backoff
from idstatus.core.steps import Item, ItemSteps, OpenStream, ReadStream, Sleep
from idstatus.errors import RpcError
from idstatus.models.change import ChangeBatch
from idstatus.v1 import task_service_pb2
from idstatus.watch.units import Units

_log = logging.getLogger("idstatus")

T = TypeVar("T")


def follow(
    request: task_service_pb2.WatchTasksRequest,
    patience: float,
    items: Callable[[ChangeBatch], Iterable[T]],
) -> ItemSteps[T]:
    """Yield the items of each batch, without gap or repeat, over as many streams as it takes.

    A watch that was never in place fails after `patience` seconds; one that was goes on for as
    long as it takes the server to come back.
    """
    units = Units(request.resume_token)
    backoff = Backoff(patience)
    while True:
        request.resume_token = units.token
        call = yield OpenStream(lambda stubs: stubs.tasks.WatchTasks, request)
        try:
            while (message := (yield ReadStream(call))) is not None:
                backoff.succeeded()
                backoff.patience = math.inf
                if (batch := units.add(message)) is not None:
                    for item in items(batch):
                        yield Item(item)
        except RpcError as error:
            pause = backoff.pause_after(error)
            if error.code is not grpc.StatusCode.CANCELLED:
                _log.warning("The watch is interrupted, resuming in %.1f s: %s", pause, error)
        else:
            return
        finally:
            call.cancel()
        units.drop()
        yield Sleep(pause)
