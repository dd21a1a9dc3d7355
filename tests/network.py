"""Machines with a network of their own: each is a network namespace, with a cable to a switch.

Root makes them as they are; anyone else makes them within a user namespace.
"""

import os
import subprocess
from contextlib import suppress

import postgres_server

_IS_ROOT = os.geteuid() == 0
_ME = (f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}")
# In a user namespace one is root, which PostgreSQL refuses to be; in another below it one is not.
UNPRIVILEGED = postgres_server.UNPRIVILEGED if _IS_ROOT else ("unshare", "--user", *_ME)


class Machine:
    """A network namespace, which lasts until it is closed."""

    def __init__(self, *command: str) -> None:
        self._holder = subprocess.Popen(
            [*command, "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._holder.stdin
        assert self._holder.stdout
        assert self._holder.stderr
        with suppress(BrokenPipeError):
            self._holder.stdin.write("ready\n")
        is_ready = self._holder.stdout.readline()
        assert is_ready, f"network namespaces are needed: {self._holder.stderr.read()}"

    @property
    def pid(self) -> str:
        return str(self._holder.pid)

    @property
    def enter(self) -> tuple[str, ...]:
        """The beginning of a command that is to run on this machine."""
        user = () if _IS_ROOT else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", self.pid, *user, "--net")

    def ip(self, command: str) -> None:
        """Run ``ip`` on this machine."""
        done = subprocess.run(
            [*self.enter, "ip", *command.split()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"ip {command}: {done.stderr}"

    def close(self) -> None:
        """Let go of it; what still runs there keeps it alive."""
        self._holder.communicate()


class Network:
    """A switch, which is a machine too, and machines with a cable to it."""

    ADDRESS = "10.77.0.1"  # the switch's

    def __init__(self, machines: int) -> None:
        user = () if _IS_ROOT else ("--user", "--map-root-user")
        self.switch = Machine("unshare", *user, "--net")
        self.switch.ip("link add wire type bridge")
        self.switch.ip(f"address add {self.ADDRESS}/24 dev wire")
        for device in ("lo", "wire"):
            self.switch.ip(f"link set {device} up")
        self.machines = [self._connect(number) for number in range(machines)]

    def _connect(self, number: int) -> Machine:
        machine = Machine(*self.switch.enter, "unshare", "--net")
        self.switch.ip(f"link add port{number} type veth peer name eth0 netns {machine.pid}")
        self.switch.ip(f"link set port{number} master wire up")
        machine.ip(f"address add {self.address(number)}/24 dev eth0")
        for device in ("lo", "eth0"):
            machine.ip(f"link set {device} up")
        return machine

    def address(self, number: int) -> str:
        """Return the address of a machine."""
        return f"10.77.0.{number + 2}"

    def cut(self, number: int) -> None:
        """Pull a machine's cable: what is sent to and fro is lost, and nobody is told."""
        self.switch.ip(f"link set port{number} down")

    def heal(self, number: int) -> None:
        """Put the cable back."""
        self.switch.ip(f"link set port{number} up")

    def close(self) -> None:
        """Let go of all machines."""
        for machine in (*self.machines, self.switch):
            machine.close()
