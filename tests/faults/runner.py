"""Runners in a process of their own, to be killed: python -m faults.runner ADDRESS SEED QUEUE...

What they are told they write to the standard output, as it comes.
"""

import asyncio
import sys

from watch.history import History
from watch.sites import Site
from watch.workload import Workload

FOR_EVER = 1_000_000_000


async def main(address: str, seed: int, *queues: str) -> None:
    """Work until killed."""
    async with Site(address) as site:
        work = Workload(site, queues, seed, stubborn=True, history=History(sys.stdout))
        await work.run(FOR_EVER, producers=0, runners=2, meddlers=0, askers=0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
