"""One verb a file: what it needs, and what it decides."""

from idstatus_server.engine.commands.cancel import Cancel, CancelBatch, Cancelled, RecallCancel
from idstatus_server.engine.commands.claim import Claim, Claimed
from idstatus_server.engine.commands.create import Create, NewTask
from idstatus_server.engine.commands.delete import Delete, Purge
from idstatus_server.engine.commands.duty import Expire, MakeDue, PostponeExpiry
from idstatus_server.engine.commands.extend import Extend, Extended, LeaseState, WantedLease
from idstatus_server.engine.commands.finish import Finish, Report
from idstatus_server.engine.commands.queue import UpdateQueue
from idstatus_server.engine.commands.retry import Retry

__all__ = [
    "Cancel",
    "CancelBatch",
    "Cancelled",
    "Claim",
    "Claimed",
    "Create",
    "Delete",
    "Expire",
    "Extend",
    "Extended",
    "Finish",
    "LeaseState",
    "MakeDue",
    "NewTask",
    "PostponeExpiry",
    "Purge",
    "RecallCancel",
    "Report",
    "Retry",
    "UpdateQueue",
    "WantedLease",
]
