"""Parses requests. What is none, or would become huge, is ours to refuse."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from idstatus_server.errors import InvalidFieldError, Violation

M = TypeVar("M")
# What has neither payloads nor lists of messages is never so large (bytes), and who waits holds
# on to its request. In others an item of two bytes takes 160 once it is parsed, so they are counted
# first: far more may be there than in a batch, so that of one a bit too long the field is named.
_LARGE, _MOST_ITEMS = 256 * 1024, 10_000
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def parser(message: type[Message]) -> Callable[[bytes], Message | None]:
    """Return a parser that does not raise; it returns None for what is to be refused."""
    kind: Any = message.DESCRIPTOR
    small = not _may_be_large(kind)

    def parse(data: bytes) -> Message | None:
        if len(data) > _LARGE and (small or _crowded(data, kind)):
            return None
        try:
            return message.FromString(data)
        except DecodeError:
            return None

    return parse


def check_parsed(request: M | None) -> M:
    """Return the request, or refuse bytes that were not one."""
    if request is None:
        raise InvalidFieldError([Violation("", "the request cannot be parsed, or is too large")])
    return request


def _may_be_large(kind: Any) -> bool:
    return any(
        field.type == FieldDescriptor.TYPE_BYTES
        or (field.is_repeated and field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field))
        for field in kind.fields
    ) or any(map(_may_be_large, _single_messages(kind).values()))


def _is_map(field: Any) -> bool:
    return bool(field.message_type.GetOptions().map_entry)


def _crowded(data: bytes, kind: Any) -> bool:
    items = _items(memoryview(data), kind)
    try:
        return any(count == _MOST_ITEMS for count, _ in enumerate(items))
    except IndexError:  # broken: the parser will say so
        return False


def _items(data: memoryview, kind: Any) -> Iterator[None]:
    """Yield for each field, and for those of a message inside that is not one of a list.

    Raises:
        IndexError: the data end too early, or a number does not end.
    """
    inside, at = _single_messages(kind), 0
    while at < len(data):
        tag, at = _number(data, at)
        if tag & 7 == _VARINT:
            _, at = _number(data, at)
        elif tag & 7 == _LENGTH:
            size, at = _number(data, at)
            if tag >> 3 in inside:
                yield from _items(data[at : at + size], inside[tag >> 3])
            at += size
        else:  # of a group, only the tags at its ends are passed over
            at += {_FIXED64: 8, _FIXED32: 4}.get(tag & 7, 0)
        yield


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number that stands here, and the place after it."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise IndexError("a number is too long")


@cache
def _single_messages(kind: Any) -> dict[int, Any]:
    return {
        field.number: field.message_type
        for field in kind.fields
        if field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated
    }
