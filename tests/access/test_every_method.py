"""Every method, called by nobody, by who is not known any more, and by who may not."""

import asyncio

import grpc
import pytest
from access.people import SKEW, Issuer, kind, knock, static
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from harness import ServerProcess
from idstatus_server.access import Role
from idstatus_server.rpc.roles import RULES

OPEN = {method for method, rule in RULES.items() if rule.open}
ASKING = sorted(set(RULES) - OPEN)
NOT_PERMITTED = ("PERMISSION_DENIED", "NOT_PERMITTED")


def test_only_health_is_told_to_whoever_can_connect() -> None:
    assert {"grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch"} == OPEN


def test_every_method_that_is_served_has_a_row_and_no_other(shared_server: ServerProcess) -> None:
    with grpc.insecure_channel(shared_server.address) as channel:
        told = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(told)
        services = [pool.FindServiceByName(name) for name in told.get_services()]
        served = {f"{service.full_name}/{m.name}" for service in services for m in service.methods}
    assert served == set(RULES)


@pytest.mark.parametrize("method", sorted(OPEN))
async def test_health_is_told_to_whoever_can_connect(
    channel: grpc.aio.Channel, method: str
) -> None:
    assert await knock(channel, method) is None


@pytest.mark.parametrize("method", ASKING)
async def test_a_method_asks_who_calls(
    channel: grpc.aio.Channel, issuer: Issuer, method: str
) -> None:
    stranger = Issuer(issuer.key_id)
    nobody, forged, expired, weak = await asyncio.gather(
        knock(channel, method),
        knock(channel, method, stranger.token("admin")),
        knock(channel, method, issuer.token("admin", lasts=-2 * SKEW)),
        knock(channel, method, issuer.token()),
    )
    assert kind(nobody) == ("UNAUTHENTICATED", "NO_CREDENTIALS")
    assert kind(forged) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    assert kind(expired) == ("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
    assert kind(weak) == NOT_PERMITTED


@pytest.mark.parametrize("method", ASKING)
async def test_a_method_is_for_the_roles_of_its_row_only(
    channel: grpc.aio.Channel, method: str
) -> None:
    refusals = await asyncio.gather(*(knock(channel, method, static(role)) for role in Role))
    # An empty request names the queue "default" if it names any: that is nobody's here.
    served = {
        role
        for role, refusal in zip(Role, refusals, strict=True)
        if kind(refusal) != NOT_PERMITTED or (refusal and "queue" in refusal.metadata)
    }
    assert served == (set() if RULES[method].everywhere else RULES[method].roles)


@pytest.mark.parametrize("method", ASKING)
async def test_who_may_do_all_may_call_all(channel: grpc.aio.Channel, method: str) -> None:
    refusal = await knock(channel, method, static("root"))
    assert refusal is None or refusal.code in {"INVALID_ARGUMENT", "NOT_FOUND"}
