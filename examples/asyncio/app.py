"""A producer, a runner and a watcher in one asyncio program: invoices and their PDFs.

    python examples/asyncio/app.py 127.0.0.1:50051

It ends by itself. In real life producer and runner are programs of their own; then the runner's
last line is `runner.run_forever()`.
"""

import asyncio
import sys
from dataclasses import dataclass

from idstatus import AsyncClient, NewTask, Runner, Status, TaskContext, TaskError

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
runner = Runner(ADDRESS, capacity=4)


@dataclass
class Order:
    """What an invoice is for."""

    item: str
    price: float
    quantity: int


ORDERS = (Order("pencil", 1.5, 12), Order("paper", 4.25, 2), Order("ink", 8, 0))


@runner.handler("invoices")
async def add_up(context: TaskContext) -> dict[str, float]:
    """Async: runs on the event loop, and is cancelled there when its task is."""
    order = Order(**context.task.payload_json())
    if order.quantity < 1:
        raise TaskError(f"nobody ordered {order.item}")
    context.set_progress(0.5, "adding up")
    return {"total": order.price * order.quantity}


@runner.handler("pdfs")
def draw(context: TaskContext) -> bytes:
    """Blocking: runs in a thread, and looks by itself whether it is to stop."""
    pages: list[bytes] = []
    for line in context.task.payload.decode().splitlines():
        if context.cancelled.is_set():
            break
        pages.append(f"<page>{line}</page>".encode())
    return b"".join(pages)


async def main() -> None:
    """Hand in the work, watch it until its end, and tell what came of it."""
    async with AsyncClient(ADDRESS) as client, asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        invoices = [NewTask(payload=order, queue="invoices") for order in ORDERS]
        pdf = NewTask(payload="one\ntwo", queue="pdfs", content_type="text/plain")
        tasks = await client.create_batch([*invoices, pdf])
        ids = [task.id for task in tasks]
        async with client.watch(ids) as changes:  # ends by itself with the last of them
            async for change in changes:
                print("saw", ids.index(change.id_status.id), change.id_status.status)
        for number, task_id in enumerate(ids):
            task = await client.get(task_id)
            said = task.result.decode() if task.status is Status.SUCCESS else task.message
            print("end", number, task.status, said)
        runner.stop()  # what runs may end; then the group ends, too


if __name__ == "__main__":
    asyncio.run(main())
