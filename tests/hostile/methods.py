"""Every method that the server serves, from the descriptors."""

from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from idstatus.v1 import queue_service_pb2, runner_service_pb2, task_service_pb2

_OURS: tuple[Any, ...] = (
    *(task_service_pb2, runner_service_pb2, queue_service_pb2),
    operations_pb2,
)
_STOCK: tuple[Any, ...] = (health_pb2, reflection_pb2, channelz_pb2)
# Methods of one answer that may keep their caller waiting.
_LONG_POLLS = ("WaitTask", "ClaimTasks", "WaitOperation")


def is_map(field: Any) -> bool:
    """Tell whether a field is a map."""
    return field.type == FieldDescriptor.TYPE_MESSAGE and bool(
        field.message_type.GetOptions().map_entry
    )


@dataclass(frozen=True)
class Method:
    """One method; ``ours`` have an ErrorInfo with each error, and ``waits`` may not end soon."""

    path: str
    request: Descriptor
    answer: Descriptor
    takes_many: bool
    waits: bool
    ours: bool

    @property
    def name(self) -> str:
        """Its name without the service's."""
        return self.path.rpartition("/")[2]


def _method(described: MethodDescriptor, *, ours: bool) -> Method:
    return Method(
        f"/{described.containing_service.full_name}/{described.name}",
        described.input_type,
        described.output_type,
        described.client_streaming,
        described.server_streaming or described.name in _LONG_POLLS,
        ours,
    )


METHODS = tuple(
    _method(method, ours=module in _OURS)
    for module in (*_OURS, *_STOCK)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
