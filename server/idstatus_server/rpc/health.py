"""grpc.health.v1: whether each service serves. A stuck watcher holds up nobody."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb

from idstatus_server.rpc.guard import Context

Health = pb.HealthCheckResponse


class HealthService:
    """Tells the same of all services: they share one store."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = {"", *services}
        self._serving = True
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def set(self, *, serving: bool) -> None:
        """Change what is told."""
        self._serving = serving
        self._changed.set_result(None)
        self._changed = asyncio.get_running_loop().create_future()

    def _status(self) -> Any:
        return Health.SERVING if self._serving else Health.NOT_SERVING

    async def check(
        self, request: pb.HealthCheckRequest, context: Context
    ) -> pb.HealthCheckResponse:
        """Tell how a service is."""
        if request.service not in self._services:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"unknown service {request.service[:80]}"
            )
        return pb.HealthCheckResponse(status=self._status())

    async def watch(self, request: pb.HealthCheckRequest, context: Context) -> None:
        """Tell how a service is, and each change."""
        known = request.service in self._services
        told: int | None = None
        while True:
            changed = self._changed
            status = self._status() if known else Health.SERVICE_UNKNOWN
            if status != told:
                await context.write(pb.HealthCheckResponse(status=status))
                told = status
            await asyncio.shield(changed)
