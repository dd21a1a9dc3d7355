"""What a request may ask for. Times are in microseconds, sizes in bytes."""

import re
from dataclasses import dataclass

SECOND = 1_000_000
DAY = 86_400 * SECOND
YEAR = 365 * DAY

ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
QUEUE = re.compile(r"[a-z0-9._-]{1,64}")
OPERATIONS = "tasks"
OPERATION = re.compile(rf"{OPERATIONS}/{ID.pattern}")
DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one server. Those without a flag are the contract's own."""

    payload_bytes: int = 256 * 1024
    labels: int = 32
    batch: int = 1000
    delay: int = YEAR
    timeout: int = 30 * DAY
    max_wait: int = 300 * SECOND
    in_flight: int = 10_000
    watches: int = 20_000
    pending_writes: int = 50_000

    label_key: int = 63
    label_value: int = 255
    short_text: int = 255
    progress_text: int = 1024
    long_text: int = 4096
    min_timeout: int = SECOND
    default_timeout: int = 60 * SECOND
    max_retries: int = 25
    default_retry_delay: int = 60 * SECOND
    max_backoff_multiplier: float = 100.0
    priority: int = 9
    default_page: int = 50
    min_lease: int = SECOND
    max_lease: int = 3600 * SECOND
    default_lease: int = 30 * SECOND
    claim_queues: int = 100
    min_bookmark: int = SECOND
    max_bookmark: int = 3600 * SECOND
    default_bookmark: int = 15 * SECOND
    min_retention: int = SECOND
    max_retention: int = 10 * YEAR
