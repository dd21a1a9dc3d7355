"""Pages of tasks."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple

from idstatus.v1 import task_service_pb2 as pb
from idstatus_server.limits import Limits
from idstatus_server.model import Filter, Task
from idstatus_server.rpc import decode, encode
from idstatus_server.rpc.fields import Fields
from idstatus_server.rpc.finding import bodies_of
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.tokens import Tokens
from idstatus_server.rpc.turns import Turns
from idstatus_server.store.base import Page, Store

# Answers stay below 4 MiB, the most that gRPC clients take by default.
MAX_ANSWER = 3 << 20
# Tasks that one page looks at before it is sent short, and those looked at in one go.
_LOOK_AT, _SLICE = 5000, 200
# Pages that are made at once: each may take many MiB meanwhile.
_AT_ONCE = 8


class Asked(NamedTuple):
    """A page that a caller asks for; its ``arguments`` bind the token of the next one.

    ``whole`` tells of which tasks payload and result are shown.
    """

    wanted: Filter
    size: int
    token: str
    arguments: bytes
    whole: Callable[[Task], bool]
    newest_first: bool = True


class Found(NamedTuple):
    """Tasks that match, and the ``seq`` to go on from; 0 if there is no more."""

    tasks: list[Task]
    after: int


class Listing:
    """Finds the tasks that match a filter."""

    def __init__(self, store: Store, tokens: Tokens, limits: Limits) -> None:
        self.store = store
        self._tokens = tokens
        self._limits = limits
        self._turns = Turns(_AT_ONCE)

    async def list_tasks(self, request: pb.ListTasksRequest, _: Context) -> pb.ListTasksResponse:
        """Return one page of tasks."""
        fields = Fields(self._limits)
        wanted = decode.task_filter(fields, request.filter)
        size = fields.page_size(request.page_size)
        view = decode.view(fields, request.view, encode.BASIC)
        if request.order not in pb.ListOrder.values():
            fields.fault("order", f"is not an order: {request.order}")
        fields.check()
        same = pb.ListTasksRequest(filter=request.filter, order=request.order, view=request.view)
        arguments = same.SerializeToString(deterministic=True)
        newest_first = request.order != pb.LIST_ORDER_OLDEST_FIRST
        shown = view == encode.FULL
        asked = Asked(wanted, size, request.page_token, arguments, lambda _: shown, newest_first)
        answer = pb.ListTasksResponse()
        tell = partial(encode.task, view=view)
        answer.next_page_token = await self.fill(answer.tasks, asked, tell)
        return answer

    async def fill(self, messages: Any, asked: Asked, tell: Callable[..., None]) -> str:
        """Put a page of tasks among the messages, as ``tell`` tells each; return the next token.

        Raises:
            InvalidTokenError: the token is not ours, or was given for other arguments.
        """
        after = self._tokens.after(asked.token, asked.arguments)
        async with self._turns.turn():
            found = await self.find(asked.wanted, Page(after, asked.size, asked.newest_first))
            after = await self._encode(messages, found, asked.whole, tell)
        return self._tokens.page(after, asked.arguments) if after else ""

    async def find(self, wanted: Filter, page: Page) -> Found:
        """Return a page of tasks; it may be short and still not be the last."""
        found: list[Task] = []
        after, looked_at = page.after, 0
        size = min(_SLICE, page.limit + 1)
        while looked_at < _LOOK_AT:
            some = await self.store.find(wanted, Page(after, size, page.newest_first))
            looked_at += len(some)
            for task in some:
                if not wanted.matches(task):
                    after = task.seq
                    continue
                if len(found) == page.limit:
                    return Found(found, after)
                found.append(task)
                after = task.seq
            if len(some) < size:
                return Found(found, 0)
            await asyncio.sleep(0)
        return Found(found, after)

    async def _encode(
        self,
        messages: Any,
        found: Found,
        whole: Callable[[Task], bool],
        tell: Callable[..., None],
    ) -> int:
        """Put as many of the tasks among the messages as fit; return where to go on."""
        room, after = MAX_ANSWER, 0
        async with aclosing(bodies_of(found.tasks, self.store, whole)) as bodies:
            for task in found.tasks:
                known = await anext(bodies)
                if whole(task) and task.seq not in known:
                    continue  # deleted since it was found
                message = messages.add()
                tell(message, task, bodies=known)
                room -= message.ByteSize()
                if room < 0 and after:
                    del messages[-1]
                    return after
                after = task.seq
        return found.after
