"""Who calls: bearer tokens and certificates, held against what an operator wrote in a file."""

from idstatus_server.auth.authenticator import Authenticator

__all__ = ["Authenticator"]
