"""An HTTP service that hands out work, and tells browsers live what becomes of it.

    uvicorn --app-dir examples/fastapi --timeout-graceful-shutdown 5 app:app

    POST   /letters              {"to": "ann", "text": "hello"}: 202, and the task
    GET    /letters/{id}         what became of it
    GET    /letters/{id}/events  the same, told as it happens: server-sent events
    DELETE /letters/{id}         calls it off

IDSTATUS_ADDRESS says where the server of idstatus is. The runner lives in the same process here,
which is enough for a small service; a larger one starts it as a program of its own.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil
from typing import Annotated, Any

import grpc
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from idstatus import (
    AsyncClient,
    IdStatus,
    InvalidTokenError,
    OutOfRangeError,
    RpcError,
    Runner,
    TaskContext,
)

ADDRESS = os.environ.get("IDSTATUS_ADDRESS", "127.0.0.1:50051")
HTTP_CODES = {
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}
client = AsyncClient(ADDRESS)
runner = Runner(ADDRESS, capacity=10)


class Letter(BaseModel):
    """What is to be sent."""

    to: str
    text: str


@runner.handler("letters")
async def send(context: TaskContext) -> dict[str, Any]:
    """Send one; what is returned is the task's result, as JSON."""
    letter = Letter.model_validate_json(context.task.payload)
    context.set_progress(0.5, f"writing to {letter.to}")
    return {"to": letter.to, "characters": len(letter.text)}


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Run the runner beside the service; at the end, let it finish what it holds."""
    async with client, asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        yield
        runner.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/letters", status_code=202)
async def create(
    letter: Letter, idempotency_key: Annotated[str, Header()] = ""
) -> dict[str, str | None]:
    """Hand it in. A request that is repeated with its Idempotency-Key finds the same task."""
    task = await client.create(
        letter.model_dump_json(),
        queue="letters",
        content_type="application/json",
        request_id=idempotency_key,
    )
    return described(task)


@app.get("/letters/{task_id}")
async def get(task_id: str) -> dict[str, Any]:
    """Tell what became of it."""
    task = await client.get(task_id)
    return {**described(task), "result": task.result_json() if task.result else None}


@app.delete("/letters/{task_id}")
async def cancel(task_id: str) -> dict[str, str | None]:
    """Call it off; `execution` says whether it may be under way all the same."""
    return described(await client.cancel(task_id, message="cancelled over HTTP"))


@app.get("/letters/{task_id}/events")
async def events(task_id: str, last_event_id: Annotated[str, Header()] = "") -> StreamingResponse:
    """Tell each change, until the end.

    A browser that comes back names the last event it had. That is a watch's token, so it goes
    on right after it: nothing is missing and nothing comes twice. At `success`, `error` or
    `cancelled` the page closes its EventSource, which would come back for ever.
    """
    await client.status(task_id)  # an unknown one is a 404, not a stream that breaks

    async def tell(token: str) -> AsyncIterator[str]:
        try:
            async with client.watch_batches([task_id], resume_token=token) as batches:
                async for batch in batches:
                    for change in batch.changes:
                        status = change.id_status
                        yield f"event: {status.status}\ndata: {status.update_time.isoformat()}\n\n"
                    yield f"id: {batch.resume_token}\n\n"
        except (InvalidTokenError, OutOfRangeError):  # it was away for longer than changes are kept
            async for event in tell(""):
                yield event

    return StreamingResponse(tell(last_event_id), media_type="text/event-stream")


@app.exception_handler(RpcError)
async def refuse(_request: Request, error: RpcError) -> JSONResponse:
    """Tell what idstatus refuses, in the words of HTTP."""
    headers = {"Retry-After": str(ceil(error.retry_after))} if error.retry_after else None
    return JSONResponse({"detail": str(error)}, HTTP_CODES.get(error.code, 500), headers)


def described(status: IdStatus) -> dict[str, str | None]:
    """Return what an answer says of a task."""
    return {
        "id": status.id,
        "status": status.status,
        "reason": status.reason,
        "execution": status.execution,
    }
