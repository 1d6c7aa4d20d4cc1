"""Hosts of one machine: network namespaces, each with an address, behind a switch in a namespace of its own.

No address and no link is made outside of these namespaces. Only a superuser can make them, with iproute2.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.pgserver import BINARIES, ROLE
from tests.processes import until

IP = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
NETWORK = "10.77.0"
_PROBE = f"ip-probe-{os.getpid()}"


def missing() -> str:
    """Return why hosts cannot be made here; empty if they can."""
    if os.geteuid() != 0:
        return "only a superuser can make network namespaces"
    if IP is None:
        return "ip is not installed (apt install iproute2)"
    if subprocess.run([IP, "netns", "add", _PROBE], check=False, capture_output=True).returncode:
        return "no network namespace can be made here"
    subprocess.run([IP, "netns", "delete", _PROBE], check=True)
    return ""


def _ip(*words: str) -> str:
    return subprocess.run([str(IP), *words], check=True, capture_output=True, text=True, timeout=30).stdout


@dataclass
class Host:
    """A namespace with an address, and the processes that were started in it."""

    name: str
    address: str
    namespace: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(
        self, *command: str, log: Path, env: Mapping[str, str] | None = None, folder: Path | None = None, user: str = ""
    ) -> "subprocess.Popen[bytes]":
        """Start a program on this host."""
        with log.open("ab") as out:
            process = subprocess.Popen(self._here(command, user), cwd=folder, env=env, stdout=out, stderr=out)
        self.processes.append(process)
        return process

    def run(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str = "",
    ) -> str:
        """Run a program on this host to its end, which must be a success; return what it prints."""
        done = subprocess.run(
            self._here(command, user), cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self) -> None:
        """Kill every process of this host at once, as when its power fails."""
        for pid in _ip("netns", "pids", self.namespace).split():
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(int(pid), signal.SIGKILL)
        self.forget()

    def stop(self) -> None:
        """End this host's processes as a supervisor does."""
        for process in self.processes:
            process.terminate()
        self.forget()

    def forget(self) -> None:
        """Wait for the end of the processes."""
        for process in self.processes:
            process.wait(timeout=60)
        self.processes.clear()

    def _here(self, command: Sequence[str], user: str) -> list[str]:
        there = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return [str(IP), "netns", "exec", self.namespace, *there, *command]


class Network:
    """A switch, and the hosts behind it."""

    def __init__(self) -> None:
        """Make the switch."""
        self._tag = f"faceplane-{secrets.token_hex(3)}"
        self._switch = f"{self._tag}-switch"
        self.hosts: list[Host] = []
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "name", "bridge0", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "dev", "bridge0", "up")

    def host(self, name: str) -> Host:
        """Add a host."""
        number = len(self.hosts) + 11
        host = Host(name, f"{NETWORK}.{number}", f"{self._tag}-{name}")
        _ip("netns", "add", host.namespace)
        self.hosts.append(host)
        inside, port = ("-n", host.namespace), f"port{number}"
        _ip(*inside, "link", "add", "name", "eth0", "type", "veth", "peer", "name", port, "netns", self._switch)
        _ip(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(*inside, "link", "set", "dev", device, "up")
        _ip("-n", self._switch, "link", "set", "dev", port, "master", "bridge0", "up")
        return host

    def end(self) -> None:
        """Kill what still runs on the hosts, and remove them."""
        for host in self.hosts:
            host.kill()
        for namespace in (*(host.namespace for host in self.hosts), self._switch):
            _ip("netns", "delete", namespace)


class Postgres:
    """PostgreSQL servers of several hosts: one is the primary, the others follow it.

    Their Unix sockets are how this process reaches them.
    """

    def __init__(self) -> None:
        """Make the folder, which PostgreSQL's user can read: it refuses to run as root."""
        self.folder = Path(tempfile.mkdtemp(prefix="faceplane-postgres-"))
        os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)

    def primary(self, host: Host) -> None:
        """Start a primary with the product's role and an empty database."""
        self._run(host, "initdb", "--auth", "trust", "--username", "postgres", "--encoding", "UTF8")
        with (self._data(host) / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all,replication all {NETWORK}.0/24 trust\n")
        self.start(host)
        with self.superuser(host, "template1") as connection:
            connection.execute(ROLE)
            connection.execute("CREATE DATABASE faceplane OWNER faceplane")

    def standby(self, host: Host, primary: Host) -> None:
        """Copy the primary to this host, and let it follow."""
        shutil.rmtree(self._data(host), ignore_errors=True)
        source = f"host={primary.address} user=postgres application_name={host.name}"
        self._run(host, "pg_basebackup", "--dbname", source, "--write-recovery-conf", "--checkpoint", "fast")
        self.start(host)

    def start(self, host: Host) -> None:
        """Start a host's server."""
        self._socket(host).mkdir(exist_ok=True)
        shutil.chown(self._socket(host), "postgres")
        listen = ("-c", f"listen_addresses={host.address}", "-k", str(self._socket(host)))
        host.start(
            *(str(BINARIES / "postgres"), "-D", str(self._data(host)), *listen, "-c", "fsync=off"),
            log=self.folder / f"{host.name}.log",
            folder=self.folder,
            user="postgres",
        )
        until(lambda: self._answers(host), log=self.folder / f"{host.name}.log")

    def tell(self, host: Host, *statements: str) -> None:
        """Run statements as superuser."""
        with self.superuser(host) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def url(self, *hosts: Host) -> str:
        """Return the URL of the product's database: whichever of these hosts is the primary."""
        names = ",".join(host.address for host in hosts)
        return f"postgresql://faceplane@{names}/faceplane?target_session_attrs=read-write"

    def superuser(self, host: Host, database: str = "postgres") -> psycopg.Connection:
        """Connect as superuser."""
        return psycopg.connect(host=str(self._socket(host)), user="postgres", dbname=database, autocommit=True)

    def end(self) -> None:
        """Remove the folder; the servers are killed with their hosts."""
        shutil.rmtree(self.folder)

    def _answers(self, host: Host) -> bool:
        try:
            self.superuser(host, "template1").close()
        except psycopg.OperationalError:
            return False
        return True

    def _socket(self, host: Host) -> Path:
        return self.folder / f"{host.name}.socket"

    def _data(self, host: Host) -> Path:
        return self.folder / host.name

    def _run(self, host: Host, program: str, *arguments: str) -> None:
        command = (str(BINARIES / program), "--pgdata", str(self._data(host)), *arguments)
        host.run(*command, folder=self.folder, user="postgres")
