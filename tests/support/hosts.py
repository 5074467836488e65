"""Hosts with nothing but a network in common: network namespaces joined by a bridge, on one Linux machine, as root."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SUBNET = "10.99.7"


class Hosts:
    """Namespaces ``NAME-0``, ``NAME-1``, ...; the address of number i ends in i + 1."""

    def __init__(self, count: int, private: Path) -> None:
        """Args:
        private: a folder that only host 0 sees.
        """
        self._name = f"ot{os.getpid() % 100_000}"
        self._count = count
        self._private = private
        self._processes: list[subprocess.Popen] = []

    def open(self) -> None:
        """Make them.

        Raises:
            CalledProcessError: where that is not allowed.
        """
        # The bridge has a namespace of its own: this machine has no address on it, and no rules for it.
        hub = f"{self._name}-hub"
        _ip("netns", "add", hub)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        for i in range(self._count):
            host = f"{self._name}-{i}"
            _ip("netns", "add", host)
            _ip("-n", hub, "link", "add", f"port{i}", "type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("-n", hub, "link", "set", f"port{i}", "master", "bridge", "up")
            _ip("-n", host, "address", "add", f"{self.address(i)}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "eth0", "up")
            _ip("-n", host, "link", "set", "lo", "up")

    def address(self, i: int) -> str:
        """IP address of a host."""
        return f"{SUBNET}.{i + 1}"

    def cut_off(self, i: int) -> None:
        """Pull its cable: nobody is told."""
        _ip("-n", f"{self._name}-hub", "link", "set", f"port{i}", "down")

    def start(self, i: int, arguments: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen:
        """Run Python on a host."""
        command = ["ip", "netns", "exec", f"{self._name}-{i}"]
        if i > 0:
            command += ["sh", "-c", f'mount -t tmpfs tmpfs {self._private} && exec "$@"', "sh"]
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*command, sys.executable, *arguments],
                stdout=file,
                stderr=file,
                env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | environment,
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            process.kill()
            process.wait()
        for name in ("hub", *range(self._count)):
            with suppress(subprocess.CalledProcessError):
                # A nanny that is killed leaves its worker behind.
                for process in _ip("netns", "pids", f"{self._name}-{name}").split():
                    with suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
                _ip("netns", "delete", f"{self._name}-{name}")


@contextmanager
def open_hosts(count: int, private: Path) -> Iterator[Hosts]:
    """Hosts for as long as the test wants them; skipped in words where the machine has none."""
    if shutil.which("ip") is None:
        pytest.skip("hosts of their own take the program ip, of the package iproute2")
    hosts = Hosts(count, private)
    try:
        try:
            hosts.open()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"hosts of their own take root and network namespaces: {error.stderr.strip()}")
        yield hosts
    finally:
        hosts.close()


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
