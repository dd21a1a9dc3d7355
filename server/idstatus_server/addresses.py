"""What an address says, HOST:PORT."""

from ipaddress import ip_address


def host_and_port(address: str) -> tuple[str, int] | None:
    """Return the host, as it is written, and the port; None if it is no such address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        return None
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by what it says: what a name stands for may change."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
