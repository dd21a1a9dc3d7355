"""Looks a store over: whether what it holds is what the ledger would have written."""

from idstatus_server.check.audit import audit, totals
from idstatus_server.check.breach import Breach

__all__ = ["Breach", "audit", "totals"]
