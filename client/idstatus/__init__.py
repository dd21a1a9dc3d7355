"""idstatus."""
