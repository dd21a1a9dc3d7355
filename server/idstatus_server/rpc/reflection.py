"""Server reflection, v1 and v1alpha, with our comments.

grpcio serves v1alpha, from descriptors that have lost their comments. The two
versions are the same but for the package, so one servicer serves both
(grpc/grpc #38576); the comments come from a descriptor set made with the stubs.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from importlib import resources
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha._async import ReflectionServicer

from idstatus_server.rpc.dispatch import Way, handlers
from idstatus_server.rpc.guard import Context
from idstatus_server.rpc.parse import check_parsed

V1, V1ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"


class DocumentedReflection(ReflectionServicer):
    """The stock servicer, answering with our files as they were written."""

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__(services)
        described = resources.files(__package__).joinpath("descriptors.binpb").read_bytes()
        self._documented = {
            file.name: file.SerializeToString()
            for file in FileDescriptorSet.FromString(described).file
        }

    async def server_reflection_info(
        self, requests: AsyncIterator[pb.ServerReflectionRequest | None], context: Context
    ) -> None:
        """Answer each request."""
        answers: Any = self.ServerReflectionInfo(_checked(requests), context)
        async for answer in answers:
            await context.write(answer)

    def _file_by_filename(self, request: Any, filename: str) -> Any:
        file = super()._file_by_filename(request, filename)  # type: ignore[misc]
        return self._with_comments(file)

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        with suppress(KeyError):  # the stock servicer does not know a method by its name
            method = descriptor_pool.Default().FindMethodByName(fully_qualified_name)
            fully_qualified_name = method.containing_service.full_name
        file = super()._file_containing_symbol(  # type: ignore[misc]
            request, fully_qualified_name
        )
        return self._with_comments(file)

    def _with_comments(self, response: Any) -> Any:
        files = response.file_descriptor_response.file_descriptor_proto
        for i, file in enumerate(files):
            name = FileDescriptorProto.FromString(file).name
            files[i] = self._documented.get(name, file)
        return response


def reflection_handlers(services: tuple[str, ...], way: Way) -> tuple[grpc.GenericRpcHandler, ...]:
    """Return the handlers of both versions, which list each other, too."""
    _describe_v1()
    names = tuple(f"{package}.ServerReflection" for package in (V1, V1ALPHA))
    servicer = DocumentedReflection((*services, *names))
    service = pb.DESCRIPTOR.services_by_name["ServerReflection"]
    return tuple(handlers(service, servicer, way, name=name) for name in names)


async def _checked(
    requests: AsyncIterator[pb.ServerReflectionRequest | None],
) -> AsyncIterator[pb.ServerReflectionRequest]:
    async for request in requests:
        yield check_parsed(request)


def _describe_v1() -> None:
    """Add v1's file to the pool, made from v1alpha's."""
    pool = descriptor_pool.Default()
    name = "grpc/reflection/v1/reflection.proto"
    try:
        pool.FindFileByName(name)
    except KeyError:
        file = FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb)
        file.name, file.package = name, V1
        for message in file.message_type:
            for field in message.field:
                if field.type_name:
                    field.type_name = field.type_name.replace(V1ALPHA, V1)
        for service in file.service:
            for method in service.method:
                method.input_type = method.input_type.replace(V1ALPHA, V1)
                method.output_type = method.output_type.replace(V1ALPHA, V1)
        pool.AddSerializedFile(file.SerializeToString())
