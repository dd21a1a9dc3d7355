"""The use cases: commands gather into commits."""

from idstatus_server.engine.ledger import Ledger

__all__ = ["Ledger"]
