"""The filter of ListOperations: a small part of the language of AIP-160."""

import re

from google.protobuf.timestamp_pb2 import Timestamp

from idstatus.v1 import task_pb2
from idstatus_server.lifecycle import TERMINAL, UNFINISHED, Status
from idstatus_server.rpc import encode
from idstatus_server.rpc.fields import Fields

# Quoted, a value must have neither an escape nor a wildcard: AIP-160 gives both a meaning.
_TERM = re.compile(
    r'(?P<field>[\w./-]+)\s*=\s*(?:(?P<word>[\w.~/-]+)|"(?P<text>[^"\\*]*)")'
    r"(?:\s+AND\s+(?=\S)|\Z)",
    re.ASCII,
)
_RULE = (
    "must be terms joined by AND, each at most once: done=true, done=false, metadata.status=NAME, "
    "metadata.queue=NAME, metadata.labels.KEY=VALUE"
)
_DONE = {"true": TERMINAL, "false": UNFINISHED}
_STATUSES = {f"{prefix}{one.name}": {one} for one in Status for prefix in ("", "STATUS_")}
_LABELS = "metadata.labels."


def read_filter(fields: Fields, text: str) -> task_pb2.TaskFilter:
    """Return what a filter means, to be checked like any other."""
    wanted = task_pb2.TaskFilter()
    statuses = set(Status)
    for name, value in _terms(fields, text).items():
        if name == "done" and value in _DONE:
            statuses &= _DONE[value]
        elif name == "metadata.status" and value in _STATUSES:
            statuses &= _STATUSES[value]
        elif name == "metadata.queue":
            wanted.queues.append(value)
        elif name.startswith(_LABELS):
            wanted.labels[name.removeprefix(_LABELS)] = value
        else:
            fields.fault("filter", f"{_RULE}; not {f'{name}={value}'[:80]!r}")
    if not statuses:  # as of what is done and queued: no task was created before the epoch
        wanted.create_time.end.CopyFrom(Timestamp())
    elif len(statuses) < len(Status):
        wanted.statuses.extend(map(encode.number, sorted(statuses)))
    return wanted


def _terms(fields: Fields, text: str) -> dict[str, str]:
    """Return the value that each term gives to its field."""
    longest = fields.limits.long_text
    rest = fields.text("filter", text, longest)[:longest].strip()
    terms: dict[str, str] = {}
    while rest:
        term = _TERM.match(rest)
        if not term or term["field"] in terms:
            fields.fault("filter", f"{_RULE}; not {rest[:80]!r}")
            break
        terms[term["field"]] = term["word"] or term["text"] or ""
        rest = rest[term.end() :]
    return terms
