"""How transactions begin; and the head row: whoever has locked it may write."""

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's time, in microseconds."""

# Whoever falls silent with the head in its hands, frozen or cut off, must let go of it before
# those who wait lose patience; and who reads must not hold back vacuum for hours. Set for a
# transaction, it costs no round trip and no pooler minds.
_SILENCE = """
SET LOCAL idle_in_transaction_session_timeout = '3s'; SET LOCAL tcp_user_timeout = '3s'"""
BEGIN = f"BEGIN; {_SILENCE}"
BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SILENCE}"
HOLD_HEAD = f"{_SILENCE}; SELECT FROM idstatus.head FOR UPDATE"
"""Locks it in a transaction that has begun."""

# The clock is read once the lock is held: time must not run backwards from one to the next.
LOCK_HEAD = f"""
WITH locked AS MATERIALIZED (SELECT revision, time FROM idstatus.head FOR UPDATE)
SELECT revision, (
  SELECT coalesce(min(l.time), 0) FROM idstatus.log AS l WHERE l.revision = locked.revision
), time, {NOW}
FROM locked"""  # noqa: S608  # all ours
"""Locks it and returns its revision, that one's time, the last commit's time, and the time now."""
