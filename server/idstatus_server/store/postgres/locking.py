"""The head row: whoever has locked it may write, until the transaction ends."""

NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
"""The database's time, in microseconds."""

# Whoever falls silent with the head in its hands, frozen or cut off, must let go of it before
# those who wait lose patience. Set for a transaction, it costs no round trip and no pooler minds.
_SILENCE = """set_config('idle_in_transaction_session_timeout', '3s', true),
set_config('tcp_user_timeout', '3s', true)"""
# The clock is read once the lock is held: time must not run backwards from one to the next.
LOCK_HEAD = f"""
WITH locked AS MATERIALIZED (SELECT revision, time FROM idstatus.head FOR UPDATE)
SELECT locked.revision, coalesce(log.time, 0), locked.time, {NOW}, {_SILENCE}
FROM locked LEFT JOIN idstatus.log ON log.revision = locked.revision"""  # noqa: S608  # all ours
"""Locks it and returns its revision, that one's time, the last commit's time, and the time now."""
