"""Makes docs/api.md from the comments in protos/. `make generate` calls it.

Reads a FileDescriptorSet with source info from standard input, writes Markdown to standard
output.
"""
# ruff: noqa: INP001  # a script

import sys
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

PACKAGE = "idstatus.v1"

HEAD = f"""# The API: {PACKAGE}

Made from the comments in [protos/](../protos/idstatus/v1) by `make generate`. `grpcurl describe`
shows the same ([how](grpcurl.md)). What may change and what may not: [versioning](versioning.md).
What to tell a client of deadlines and retries: [the service config](service-config.md).

In JSON, as grpcurl takes it, a field may be written as here or in lowerCamelCase; bytes are base64,
an int64 is a string, a google.protobuf.Duration is `"30s"`, a google.protobuf.Timestamp
`"2026-01-31T12:00:00Z"`.
"""

# Where the parts of a file stand in it, by the numbers of their fields in descriptor.proto: with
# a path of them, source info says to what a comment belongs.
OF_FILE = {"message": 4, "enum": 5, "service": 6}
METHOD = VALUE = FIELD = 2
NESTED, NESTED_ENUM, ONEOF = 3, 4, 8
Path = tuple[int, ...]


class Section:
    """One file's part of the page."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._comments = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
        }

    def services(self) -> Iterator[str]:
        """Yield the lines on its services."""
        for i, service in enumerate(self._file.service):
            yield from self._service((OF_FILE["service"], i), service)

    def types(self) -> Iterator[str]:
        """Yield the lines on its messages and enums."""
        for i, message in enumerate(self._file.message_type):
            yield from self._message((OF_FILE["message"], i), message, "")
        for i, enum in enumerate(self._file.enum_type):
            yield from self._enum((OF_FILE["enum"], i), enum, "")

    def _service(self, at: Path, service: ServiceDescriptorProto) -> Iterator[str]:
        yield f"## {service.name}\n"
        yield from self._paragraphs(at)
        for i, method in enumerate(service.method):
            takes, gives = (_linked(name) for name in (method.input_type, method.output_type))
            takes = f"a stream of {takes}" if method.client_streaming else takes
            gives = f"a stream of {gives}" if method.server_streaming else gives
            yield f"### {method.name}\n"
            yield f"{takes} → {gives}\n"
            yield from self._paragraphs((*at, METHOD, i))

    def _message(self, at: Path, message: DescriptorProto, outer: str) -> Iterator[str]:
        name = outer + message.name
        yield f"### {name}\n"
        yield from self._paragraphs(at)
        maps = {entry.name: entry for entry in message.nested_type if entry.options.map_entry}
        if message.field:
            yield "| field | type | |\n|---|---|---|"
            yield from self._fields(at, message, maps)
            yield ""
        for i, nested in enumerate(message.nested_type):
            if nested.name not in maps:
                yield from self._message((*at, NESTED, i), nested, f"{name}.")
        for i, enum in enumerate(message.enum_type):
            yield from self._enum((*at, NESTED_ENUM, i), enum, f"{name}.")

    def _fields(
        self, at: Path, message: DescriptorProto, maps: dict[str, DescriptorProto]
    ) -> Iterator[str]:
        told = set()
        for i, field in enumerate(message.field):
            chosen = field.HasField("oneof_index") and not field.proto3_optional
            if chosen and field.oneof_index not in told:
                told.add(field.oneof_index)
                choice = message.oneof_decl[field.oneof_index].name
                yield f"| {choice} | one of | {self._cell((*at, ONEOF, field.oneof_index))} |"
            name = f"- `{field.name}`" if chosen else f"`{field.name}`"
            yield f"| {name} | {_type(field, maps)} | {self._cell((*at, FIELD, i))} |"

    def _enum(self, at: Path, enum: EnumDescriptorProto, outer: str) -> Iterator[str]:
        yield f"### {outer}{enum.name}\n"
        yield from self._paragraphs(at)
        yield "| value | number | |\n|---|--:|---|"
        for i, value in enumerate(enum.value):
            yield f"| `{value.name}` | {value.number} | {self._cell((*at, VALUE, i))} |"
        yield ""

    def _paragraphs(self, at: Path) -> Iterator[str]:
        yield "\n".join(line.strip() for line in self._comments[at].splitlines()) + "\n"

    def _cell(self, at: Path) -> str:
        return " ".join(self._comments[at].split()).replace("|", "\\|")


def _type(field: FieldDescriptorProto, maps: dict[str, DescriptorProto]) -> str:
    entry = maps.get(field.type_name.rpartition(".")[2])
    if entry:
        key, value = (_type(part, {}) for part in entry.field)
        return f"map of {key} to {value}"
    names = FieldDescriptorProto.Type
    name = (
        _linked(field.type_name)
        if field.type_name
        else names.Name(field.type).removeprefix("TYPE_").lower()
    )
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {name}"
    return f"optional {name}" if field.proto3_optional else name


def _linked(type_name: str) -> str:
    """Return a type's name, with a link if it is on the page."""
    name = type_name.removeprefix(f".{PACKAGE}.")
    return name.removeprefix(".") if name == type_name else f"[{name}](#{_anchor(name)})"


def _anchor(heading: str) -> str:
    return heading.lower().replace(".", "")


def _contents(files: list[FileDescriptorProto]) -> Iterator[str]:
    for service in (service for file in files for service in file.service):
        methods = " · ".join(f"[{m.name}](#{_anchor(m.name)})" for m in service.method)
        yield f"- [{service.name}](#{_anchor(service.name)}): {methods}"
    yield "- [Messages and enums](#messages-and-enums)\n"


def page(described: FileDescriptorSet) -> str:
    """Return the page: the services, the one with the most methods first, then all types."""
    files: list[Any] = [file for file in described.file if file.package == PACKAGE]
    files.sort(key=lambda file: -sum(len(service.method) for service in file.service))
    sections = [Section(file) for file in files]
    lines = [HEAD, *_contents(files)]
    for section in sections:
        lines += section.services()
    lines.append("## Messages and enums\n")
    for section in sections:
        lines += section.types()
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(FileDescriptorSet.FromString(sys.stdin.buffer.read())))
