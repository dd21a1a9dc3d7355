"""What the contract says of errors: in the comments of the methods, and in docs/operations.md."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

Error = tuple[str, str]
"""A status code and a reason."""

_CODES = "|".join(code.name for code in grpc.StatusCode)
_REASON = r"[A-Z_]+\b(?! [A-Z_]+\b)"
_ERRORS = re.compile(rf"\b({_CODES}) ({_REASON}(?:(?:, | or ){_REASON})*)")
_SERVICE, _METHOD = 6, 2  # the numbers of the fields in descriptor.proto


def errors_in(comment: str) -> set[Error]:
    """Return the errors that a comment names: CODE REASON, REASON or REASON; CODE REASON."""
    text = " ".join(comment.split())
    return {
        (code, reason)
        for code, reasons in _ERRORS.findall(text)
        for reason in re.split(", | or ", reasons)
    }


def _told() -> Iterator[tuple[str, set[Error]]]:
    """Yield each service and method by its path, with what its own comment tells."""
    described = resources.files("idstatus_server.rpc").joinpath("descriptors.binpb").read_bytes()
    for file in FileDescriptorSet.FromString(described).file:
        if file.package == "idstatus.v1":
            yield from _told_in(file)


def _told_in(file: FileDescriptorProto) -> Iterator[tuple[str, set[Error]]]:
    comments = {
        tuple(place.path): place.leading_comments for place in file.source_code_info.location
    }
    for i, service in enumerate(file.service):
        path = f"/{file.package}.{service.name}"
        yield path, errors_in(comments[_SERVICE, i])
        for j, method in enumerate(service.method):
            yield f"{path}/{method.name}", errors_in(comments[_SERVICE, i, _METHOD, j])


TOLD = dict(_told())
COMMON = TOLD["/idstatus.v1.TaskService"]
"""What any method may answer."""
_OPERATIONS = Path(__file__).parents[1] / "docs" / "operations.md"
OPERATIONS = errors_in(_OPERATIONS.read_text().replace("`", ""))
"""What any method of google.longrunning.Operations may answer besides."""
