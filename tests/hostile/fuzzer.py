"""Sends hostile requests, a seed's always the same, and judges every answer."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from contract import COMMON, OPERATIONS, TOLD
from frames import Call, WireError
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from hostile.caller import MOST_TRAILERS, Caller, Trailers, size_of, status_of
from hostile.encodings import encoded
from hostile.known import Known
from hostile.methods import METHODS, Method
from hostile.requests import Requests
from wire import Pool

# What a request alone can bring about; 0 is OK. (google.rpc.Code)
_ALLOWED = {
    0: "OK",
    3: "INVALID_ARGUMENT",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    9: "FAILED_PRECONDITION",
    11: "OUT_OF_RANGE",
}
_CONNECTIONS, _IN_FLIGHT = 4, 128
# How long a call that may wait is left alone, and one that may not, in seconds.
_WAITS, _PATIENCE = 0.3, 30.0
# Of the answers, the share that is read.
_READ = 0.2
_SHOWN = 400


@dataclass
class Sent:
    """A call under way: the number of its requests in the seed's row, and they themselves."""

    number: int
    method: Method
    requests: Sequence[bytes]
    caller: Caller
    began: float = field(default_factory=time.monotonic)
    answers: list[bytes] = field(default_factory=list)
    call: Call | None = None

    def __str__(self) -> str:
        sent = b"|".join(self.requests)
        return f"request {self.number}, {self.method.path}, {len(sent)} bytes: {sent[:_SHOWN]!r}"


class Fuzzer:
    """Calls of all methods, some at a time. ``faults`` holds what should not have happened."""

    def __init__(self, address: str, seed: int, methods: Sequence[Method] = METHODS) -> None:
        self.seed = seed
        self.known = Known()
        self.codes: Counter[str] = Counter()
        self.faults: list[str] = []
        self.sent = 0
        self._methods = methods
        self._pool = Pool([Caller(address) for _ in range(_CONNECTIONS)])
        self._waiting: deque[Sent] = deque()
        self._strict: dict[int, Sent] = {}

    def run(self, numbers: range) -> None:
        """Send the requests of these numbers, and return when all have come to an end."""
        try:
            for number in numbers:
                self._begin(number)
                while self._in_flight() >= _IN_FLIGHT:
                    self._turn()
            while self._in_flight():
                self._turn()
        except (WireError, OSError) as error:
            broken = "\n".join(map(str, (*self._strict.values(), *self._waiting)))
            self.faults.append(f"a connection broke ({error!r}) amid:\n{broken}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _in_flight(self) -> int:
        return len(self._strict) + len(self._waiting)

    def _begin(self, number: int) -> None:
        draw = Random(f"{self.seed}/{number}")
        method = draw.choice(self._methods)
        requests = [encoded(draw, data) for data in self._requests(draw, method)]
        sent = Sent(number, method, requests, self._pool.connections[number % _CONNECTIONS])
        self.sent += len(requests)
        sent.call = sent.caller.call(
            method.path,
            requests,
            sent.answers.append,
            lambda trailers: self._ended(sent, trailers),
            ends=draw.random() < 0.5 or not method.takes_many,
        )
        if method.waits:
            self._waiting.append(sent)
        else:
            self._strict[number] = sent

    def _requests(self, draw: Random, method: Method) -> Iterator[bytes]:
        make = Requests(draw, self.known).make
        for _ in range(draw.randrange(1, 5) if method.takes_many else 1):
            yield make(method.request).SerializeToString()

    def _turn(self) -> None:
        """Hand on what has come, and give up the calls that have waited for long enough."""
        self._pool.flush()
        self._pool.turn(_WAITS / 2)
        now = time.monotonic()
        while self._waiting and self._waiting[0].began + _WAITS < now:
            sent = self._waiting.popleft()
            if sent.call and sent.call.stream in sent.caller.calls:
                sent.caller.give_up(sent.call)
                self.codes["given up"] += 1
                self._learn(sent)
        for sent in [s for s in self._strict.values() if s.began + _PATIENCE < now]:
            self._fault(sent, f"no answer came for {_PATIENCE:g} s")
            del self._strict[sent.number]

    def _ended(self, sent: Sent, trailers: Trailers) -> None:
        if sent.method.waits:
            if sent in self._waiting:
                self._waiting.remove(sent)
        else:
            self._strict.pop(sent.number, None)
        code = int(trailers["grpc-status"])
        self.codes[_ALLOWED.get(code, str(code))] += 1
        for fault in _faults(sent.method, trailers):
            self._fault(sent, fault)
        self._learn(sent)

    def _learn(self, sent: Sent) -> None:
        if sent.answers and Random(sent.number).random() < _READ:
            self.known.learn(GetMessageClass(sent.method.answer).FromString(sent.answers[0]))

    def _fault(self, sent: Sent, what: str) -> None:
        self.faults.append(f"{what}\n  --seed={self.seed}, {sent}")


def _faults(method: Method, trailers: Trailers) -> Iterator[str]:
    """Yield what is wrong with the end of a call, which only had bad requests to fear."""
    status = status_of(trailers)
    code = int(trailers["grpc-status"])
    if code not in _ALLOWED:
        yield f"ended with code {code}: {status.message}"
    if status.code != code:
        yield f"the details say {status.code}, the status is {code}"
    if size_of(trailers) > MOST_TRAILERS:
        yield f"the trailers count for {size_of(trailers)} bytes, more than clients take"
    if code and method.ours:
        info, bad = ErrorInfo(), BadRequest()
        if sum(detail.Unpack(info) for detail in status.details) != 1 or info.domain != "idstatus":
            yield f"there is no ErrorInfo: {status}"
        error = (_ALLOWED.get(code, str(code)), info.reason)
        if error not in TOLD.get(method.path, OPERATIONS) | COMMON:
            yield f"the contract does not tell of {error}: {status}"
        told = any(detail.Unpack(bad) for detail in status.details)
        if (info.reason == "INVALID_FIELD") != told:
            yield f"field violations and reason do not go together: {status}"
