"""Requests by the descriptors: right ones, and such with some fields wrong."""

from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hostile import forged, values
from hostile.known import Known
from hostile.methods import is_map

# Of the requests, how many have so many of their fields wrong.
_WRONG = (0.0, 0.0, 0.02, 0.1, 0.5)
_FORGED = 0.3
_COUNTS, _MANY = (0, 1, 1, 2, 3), (32, 33, 101, 1000, 1001, 20_000)
# What a field that comes so often may take; requests that are too large have tests of their own.
_MOST_BYTES = 4 << 20
_NAMES = ("idstatus.v1.TaskService", "idstatus.v1.Task", "idstatus/v1/task.proto", "")
_SETTINGS = ("paused", "max_running", "retention", "*")
_FILTERS = (
    *("", "done=true", "done = false AND metadata.queue=queue-1", 'metadata.status="ERROR"'),
    *("metadata.labels.k=v", "done=true AND", "done=true OR done=false", "done=true done=true"),
)
# Where each of so many tasks would have to be looked at, and how often it is asked for.
_DEAR = {"labels": 0.1}


class Requests:
    """Makes the requests of one draw of lots."""

    def __init__(self, draw: Random, known: Known) -> None:
        self._draw = draw
        self._known = known
        self._wrong = draw.choice(_WRONG)

    def make(self, kind: Descriptor) -> Any:
        """Return a message of this kind."""
        message = GetMessageClass(kind)()
        self._fill(message, depth=0)
        return message

    def _fill(self, message: Any, depth: int) -> None:
        kind, draw = message.DESCRIPTOR, self._draw
        if kind.full_name in ("google.protobuf.Duration", "google.protobuf.Timestamp"):
            self._set_span(message)
            return
        chosen = {draw.choice(oneof.fields).name for oneof in kind.oneofs}
        for field in kind.fields:
            if field.containing_oneof and field.name not in chosen:
                continue
            if draw.random() < _DEAR.get(field.name, 0.6 if depth < 4 else 0.1):
                self._set(message, field, depth)
        if "lease_token" in kind.fields_by_name and draw.random() >= self._wrong:
            message.id, message.lease_token = self._known.lease(draw)

    def _set(self, message: Any, field: Any, depth: int) -> None:
        if is_map(field):
            for _ in range(self._count()):
                key = self._right(field.message_type.fields_by_name["key"])
                getattr(message, field.name)[f"{key}{len(getattr(message, field.name))}"] = "v"
        elif field.is_repeated:
            many = getattr(message, field.name)
            for _ in range(self._draw.choice(_COUNTS)):
                if field.type == F.TYPE_MESSAGE:
                    self._fill(many.add(), depth + 1)
                else:
                    many.append(self._value(field))
            if many:
                most = _MOST_BYTES // (len(_bytes_of(many[0])) + 1)
                many.extend([many[0]] * (min(self._count(), most) - len(many)))
        elif field.type == F.TYPE_MESSAGE:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self._fill(inner, depth + 1)
        else:
            setattr(message, field.name, self._value(field))

    def _count(self) -> int:
        """Return how many there are to be: now and then a great many."""
        if self._draw.random() < self._wrong / 50:
            return self._draw.choice(_MANY)
        return self._draw.choice(_COUNTS)

    def _value(self, field: Any) -> Any:
        if field.name.endswith("token") and self._draw.random() < _FORGED:
            return forged.token(self._draw, self._known.token(self._draw))
        if self._draw.random() < self._wrong:
            return values.wrong(self._draw, field)
        return self._right(field)

    def _right(self, field: Any) -> Any:
        """Return a value that its rules allow, mostly."""
        draw = self._draw
        if field.type == F.TYPE_STRING:
            return self._text(field)
        if field.type == F.TYPE_BYTES:
            return draw.randbytes(draw.randrange(100))
        if field.type == F.TYPE_ENUM:
            return draw.choice(field.enum_type.values).number
        if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
            return draw.choice((0.0, 0.5, 1.0))
        return draw.randrange(4) if field.type != F.TYPE_BOOL else draw.random() < 0.2

    def _text(self, field: Any) -> str:
        draw, name = self._draw, field.name
        rare: dict[str, tuple[float, str]] = {
            "page_token": (0.5, self._known.token(draw)),
            "resume_token": (0.5, self._known.token(draw)),
            "request_id": (0.2, f"r{draw.randrange(10_000)}"),
            "task_id": (0.5, f"t{draw.getrandbits(60):x}"),
            "unique_key": (0.2, f"u{draw.randrange(100)}"),
        }
        if name in rare:
            often, text = rare[name]
            return text if draw.random() < often else ""
        if name in ("id", "ids", "root_id"):
            return self._known.id(draw)
        if name == "filter":
            return draw.choice(_FILTERS)
        if name == "name" and field.containing_type.file.package == "google.longrunning":
            return draw.choice(("tasks", "", *[f"tasks/{self._known.id(draw)}"] * 8))
        if name in ("queue", "queues", "name"):
            return f"queue-{draw.randrange(8)}"
        return draw.choice(_SETTINGS if name == "paths" else _NAMES)

    def _set_span(self, message: Any) -> None:
        if self._draw.random() < self._wrong:
            values.set_span(self._draw, message)
        elif message.DESCRIPTOR.name == "Timestamp":
            message.GetCurrentTime()
            message.seconds += self._draw.randrange(-60, 10)
        else:
            message.seconds = self._draw.choice((0, 1, 1, 2, 30))


def _bytes_of(item: Any) -> bytes:
    return item.SerializeToString() if isinstance(item, Message) else str(item).encode()
