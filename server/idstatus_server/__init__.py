"""The idstatus server."""
