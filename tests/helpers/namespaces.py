"""Hosts as network namespaces, on one switch whose links can be cut and slowed down."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_SECONDS = 20.0
SLOW = "200kbit"
"""Rate of a slow link: about 25 kB a second, in each direction."""


def unavailable() -> str | None:
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "network namespaces need ip and tc, of Debian's iproute2"
    probe = f"plf{secrets.token_hex(3)}"
    tried = subprocess.run(["ip", "netns", "add", probe], capture_output=True, timeout=_SECONDS)
    if tried.returncode:
        return "network namespaces cannot be created here"
    _run("ip", "netns", "del", probe)
    return None


@dataclass(frozen=True)
class Host:
    """A network namespace with an address of its own.

    Attributes:
        address: on the network.
        port: of the switch, that its link ends in.
    """

    name: str
    address: str
    port: str
    switch: str

    @property
    def within(self) -> tuple[str, ...]:
        """What a command begins with that runs here; it becomes the command's own process."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Cut its link: nothing arrives, and nobody is told."""
        _run("ip", "-n", self.switch, "link", "set", self.port, "down")

    def mend(self) -> None:
        """End what `cut` did."""
        _run("ip", "-n", self.switch, "link", "set", self.port, "up")

    @contextmanager
    def slow(self) -> Iterator[None]:
        """A slow link in both directions while the block runs."""
        ends = [(self.switch, self.port), (self.name, "eth0")]
        shape = ("tbf", "rate", SLOW, "burst", "16kb", "latency", "2s")
        for namespace, device in ends:
            _run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", *shape)
        try:
            yield
        finally:
            for namespace, device in ends:
                _run("tc", "-n", namespace, "qdisc", "del", "dev", device, "root")

    def processes(self) -> list[int]:
        """Those that run here."""
        return [int(line) for line in _run("ip", "netns", "pids", self.name).split()]

    def kill(self) -> None:
        """Kill every process here, as a loss of power would."""
        end = time.monotonic() + _SECONDS
        while found := self.processes():
            assert time.monotonic() < end, f"still running: {found}"
            for pid in found:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)


class Network:
    """Hosts 10.77.0.1, 10.77.0.2 and so on, which reach each other and nothing else."""

    def __init__(self) -> None:
        self._id = secrets.token_hex(3)
        self._switch = f"plf{self._id}"
        self._hosts: list[Host] = []

    def open(self) -> None:
        """Make the switch."""
        _run("ip", "netns", "add", self._switch)
        _run("ip", "-n", self._switch, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", self._switch, "link", "set", "br0", "up")

    def add(self) -> Host:
        """A new host."""
        number = len(self._hosts) + 1
        host = Host(f"{self._switch}-{number}", f"10.77.0.{number}", f"port{number}", self._switch)
        self._hosts.append(host)
        switch, port = host.switch, host.port
        _run("ip", "netns", "add", host.name)
        _run(
            "ip", "-n", switch, "link", "add", port, "type", "veth",
            "peer", "name", "eth0", "netns", host.name,
        )  # fmt: skip
        _run("ip", "-n", switch, "link", "set", port, "master", "br0", "up")
        _run("ip", "-n", host.name, "link", "set", "lo", "up")
        _run("ip", "-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _run("ip", "-n", host.name, "link", "set", "eth0", "up")
        return host

    def reach(self, host: Host) -> str:
        """Link a host with the tests' own network as well; its address on that link."""
        number = os.getpid() % 250
        ours, theirs = f"10.78.{number}.1", f"10.78.{number}.2"
        link = f"plf{self._id}"
        _run(
            "ip", "link", "add", link, "type", "veth", "peer", "name", "eth1", "netns", host.name
        )  # fmt: skip
        _run("ip", "addr", "add", f"{ours}/30", "dev", link)
        _run("ip", "link", "set", link, "up")
        _run("ip", "-n", host.name, "addr", "add", f"{theirs}/30", "dev", "eth1")
        _run("ip", "-n", host.name, "link", "set", "eth1", "up")
        return theirs

    def close(self) -> None:
        """Kill every process on the network, and remove it."""
        for host in self._hosts:
            host.kill()
            _run("ip", "netns", "del", host.name)
        _run("ip", "netns", "del", self._switch)


def _run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr}"
    return ran.stdout
