"""What the server shows of itself to Prometheus, and to whatever asks whether it lives and serves.

Every name of a metric is here, and only here: of what happens in ``events.py``, of what is in
``state.py``, of what stays in ``monitor.py``.
"""

from idstatus_server.metrics.monitor import Monitor

__all__ = ["Monitor"]
