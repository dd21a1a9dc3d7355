"""A runner's end of ``Run``."""

import asyncio
from typing import Any

from rpc.wire import PATIENCE

from idstatus.v1 import runner_service_pb2 as r


class Runner:
    """A runner's end of the stream."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self._tag = 0

    async def say(self, **request: Any) -> int:
        self._tag += 1
        await self.call.write(r.RunRequest(tag=self._tag, **request))
        return self._tag

    async def hear(self, kind: str, within: float = PATIENCE) -> Any:
        async with asyncio.timeout(within):
            answer = await self.call.read()
        assert answer.WhichOneof("response") == kind, answer
        return answer

    async def subscribe(self, *queues: str, capacity: int = 1, **fields: Any) -> None:
        wanted = r.Subscription(queues=queues, capacity=capacity, **fields)
        tag = await self.say(subscription=wanted)
        answer = await self.hear("subscription")
        assert (answer.tag, answer.subscription) == (tag, wanted)

    async def claims(self) -> list[r.Claim]:
        answer = await self.hear("claims")
        assert answer.tag == 0
        return list(answer.claims.claims)

    async def notice(self) -> r.Notice:
        answer = await self.hear("notice")
        assert answer.tag == 0
        notice: r.Notice = answer.notice
        return notice

    async def extend(self, *leases: r.Lease) -> list[r.LeaseResult]:
        tag = await self.say(extend=r.ExtendLeasesRequest(leases=leases))
        answer = await self.hear("extend")
        assert answer.tag == tag
        return list(answer.extend.results)

    async def finish(self, *reports: r.Report) -> list[r.FinishResult]:
        tag = await self.say(finish=r.FinishTasksRequest(reports=reports))
        answer = await self.hear("finish")
        assert answer.tag == tag
        return list(answer.finish.results)
