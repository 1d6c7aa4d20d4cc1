"""An installation of nine hosts (tests/hosts.py), and a client that reaches it by files."""

import http.client
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.hosts import Host, Network, Postgres
from tests.make import base64_of, portrait
from tests.processes import environment, until
from tests.proxy import NGINX, SHIPPED

REDIS = shutil.which("redis-server")
BUCKET = """
import boto3, sys
client = boto3.client("s3", endpoint_url=sys.argv[1], region_name="eu-west-1")
client.create_bucket(Bucket="faces", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
"""


class Site:
    """The installation: its hosts, and how to start each part."""

    def __init__(self, folder: Path) -> None:
        """Make the hosts; nothing runs yet."""
        self.folder, self.code = folder, settings.BASE_DIR
        self.network, self.postgres = Network(), Postgres()
        named = {name: self.network.host(name) for name in ("db1", "db2", "redis", "s3", "edge")}
        self.db1, self.db2, self.redis, self.s3, self.edge = named.values()
        self.web = [self.network.host(name) for name in ("web1", "web2")]
        self.work = [self.network.host(name) for name in ("work1", "work2")]
        self.key = ""

    def log(self, host: Host) -> Path:
        """Return where a host's output goes."""
        return self.folder / f"{host.name}.log"

    def env(self, host: Host) -> dict[str, str]:
        """Return a host's settings: its own memory and folders, the same database, queue, index and secrets."""
        own = {
            "DATABASE_URL": self.postgres.url(self.db1, self.db2),
            "CELERY_BROKER_URL": f"redis://{self.redis.address}:6379/0",
            "LIMITS_URL": f"redis://{self.redis.address}:6379/1",
            "STORAGE_URL": f"s3://faces/kept?endpoint=http://{self.s3.address}:5000&region=eu-west-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "SECRETS_DIR": str(self.folder / "secrets"),
            "INDEX_DIR": str(self.folder / "index"),
            "INDEX_OPEN_DIR": str(self.folder / host.name / "open"),
            "INDEX_DELTA_ROWS": "250",  # the album gets segments, which every host opens
            "INDEX_EXACT_BYTES": "5000",
            "BIND": f"{host.address}:8000",
            "WEB_WORKERS": "1",
            "LOG_LEVEL": "WARNING",
        }
        return environment(self.folder / host.name, **own)

    def manage(self, *arguments: str) -> str:
        """Run manage.py on the first web host."""
        host = self.web[0]
        return host.run(sys.executable, "manage.py", *arguments, env=self.env(host), folder=self.code)

    def start_redis(self) -> None:
        """Start Redis, which keeps nothing on a disk."""
        words = ("--bind", self.redis.address, "--protected-mode", "no", "--save", "", "--dir", str(self.folder))
        self.redis.start(str(REDIS), *words, log=self.log(self.redis))

    def start_s3(self) -> None:
        """Start a server that speaks S3, with an empty bucket: it keeps nothing on a disk either."""
        server = (sys.executable, "-m", "moto.server", "-H", self.s3.address, "-p", "5000")
        self.s3.start(*server, log=self.log(self.s3))
        make = (sys.executable, "-c", BUCKET, f"http://{self.s3.address}:5000")
        until(lambda: _succeeds(lambda: self.s3.run(*make, env=self.env(self.s3))), log=self.log(self.s3))

    def start_web(self, host: Host) -> None:
        """Start a web host, and wait until it is ready."""
        command = (sys.executable, "-m", "config.server")
        host.start(*command, env=self.env(host), folder=self.code, log=self.log(host))
        until(lambda: self.door(host).answers("/readyz"), log=self.log(host))

    def start_work(self, host: Host) -> None:
        """Start a worker host, which also sends what the schedule says."""
        command = ("-m", "celery", "--app", "config", "worker", "--beat", "--pool", "threads", "--concurrency", "2")
        name = ("--hostname", f"worker@{host.name}", "--schedule", str(self.folder / host.name / "schedule"))
        host.start(*(sys.executable, *command, *name), env=self.env(host), folder=self.code, log=self.log(host))

    def start_proxy(self) -> None:
        """Start the proxy with the file that we ship; its sockets, files, lead to all web hosts and to each."""
        self.route(())
        configuration = ("-p", str(self.folder), "-c", str(self.folder / "nginx.conf"))
        self.edge.start(str(NGINX), *configuration, "-e", str(self.folder / "nginx.log"), log=self.log(self.edge))
        until((self.folder / "all.sock").exists)

    def route(self, without: tuple[Host, ...]) -> None:
        """Let the proxy send no more requests to these web hosts."""
        text = (SHIPPED / "nginx.conf").read_text(encoding="utf-8")
        lines = [f"server {host.address}:8000{' down' * (host in without)};" for host in self.web]
        for old, new in (
            ("server 127.0.0.1:8000;", " ".join(lines)),
            ("listen 443 ssl", f"listen unix:{self.folder}/all.sock"),
            ("listen 80;", f"listen unix:{self.folder}/plain.sock;"),
            ("/opt/faceplane", str(self.code)),
            ("    ssl_certificate /etc/ssl/certs/faces.example.com.pem;\n", ""),
            ("    ssl_certificate_key /etc/ssl/private/faces.example.com.key;\n", ""),
        ):
            assert old in text
            text = text.replace(old, new)
        text += "\n".join(
            f"server {{ listen unix:{self.folder}/{host.name}.sock; client_max_body_size 60m; "
            f"location / {{ proxy_pass http://{host.address}:8000; proxy_set_header Host $http_host; }} }}"
            for host in self.web
        )
        frame = (
            f"daemon off; user root; pid {self.folder}/nginx.pid; events {{}}\nhttp {{ access_log off;\n{text}\n}}\n"
        )
        (self.folder / "nginx.conf").write_text(frame)
        for process in self.edge.processes:
            process.send_signal(signal.SIGHUP)
            time.sleep(1)

    def door(self, host: Host | None = None) -> "Door":
        """Return the way in through the proxy, or to one web host."""
        return Door(self.folder / f"{host.name if host else 'all'}.sock", self.key)

    def fail_over(self) -> None:
        """Make the standby the primary, as a cluster manager does once the old one is known to be dead."""
        self.postgres.tell(self.db2, "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_promote()")
        self.db1, self.db2 = self.db2, self.db1

    def follow(self) -> None:
        """Let db2 follow db1, and let each commit wait for it."""
        self.postgres.standby(self.db2, self.db1)
        self.wait_for_standby(f"FIRST 1 ({self.db2.name})")

    def wait_for_standby(self, names: str) -> None:
        """Say for which standby a commit waits."""
        words = f"ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        self.postgres.tell(self.db1, words, "SELECT pg_reload_conf()")

    def end(self) -> None:
        """Remove everything."""
        self.network.end()
        self.postgres.end()


@dataclass(frozen=True)
class Door:
    """A client of the native API; each call has a connection of its own."""

    path: Path
    key: str

    def __call__(self, path: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
        """Send a request; return status and answer. No answer is status 0."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(60)
            connection.sock.connect(str(self.path))
            headers = {"x-api-key": self.key, "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.startswith((b"{", b"[")) else content
        except OSError:
            return 0, None
        finally:
            connection.close()

    def done(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Send a request that must succeed; return the answer."""
        status, answer = self(path, method, body)
        assert 200 <= status < 300, (status, answer)
        return answer

    def answers(self, path: str) -> bool:
        """Return whether a GET succeeds."""
        return self(path)[0] == 200

    def enrol(self, collection: str, name: str) -> Any:
        """Enrol a portrait as a new person."""
        return self.done(f"/api/v1/collections/{collection}/faces", "POST", picture(name, person={}))

    def found(self, collection: str, name: str) -> list[str]:
        """Search; return the ids of the faces."""
        answer = self.done(f"/api/v1/collections/{collection}/search", "POST", picture(name))
        return [match["face"]["id"] for match in answer["matches"]]


def picture(name: str, **more: Any) -> dict[str, Any]:
    """Return a body with a portrait and other fields."""
    return {"image": base64_of(portrait(name)), **more}


def _succeeds(do: Callable[[], Any]) -> bool:
    try:
        do()
    except AssertionError:
        return False
    return True
