"""Makes ids and lease tokens."""

import os
import secrets
import time


def new_task_id() -> str:
    """Return a UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | chance
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_lease_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(16)
