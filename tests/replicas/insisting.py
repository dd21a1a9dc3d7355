"""A call that is made again until the servers have found their database."""

import asyncio
import uuid

import grpc
from watch.sites import Site

from idstatus.v1 import task_pb2

PATIENCE = 60.0


async def insist(site: Site, request_id: str = "", **fields: object) -> task_pb2.Task:
    """Create a task, however often it takes."""
    request_id = request_id or str(uuid.uuid4())
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await site.create(request_id=request_id, **fields)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)
