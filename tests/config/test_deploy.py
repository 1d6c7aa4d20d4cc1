"""What an operator installs: units, image and compose file. What they run is run here, as they run it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.config.conftest import worker
from tests.image import Image, instruction, variables
from tests.make import base64_of, portrait
from tests.processes import call, environment, free_port, manage, prepare, shown_key, until, web_server

SYSTEMD, STRACE, CADDY, CLIENT = map(shutil.which, ("systemd-analyze", "strace", "caddy", "docker-compose"))
COMPOSE = settings.BASE_DIR / "compose.yaml"
MOST_EXPOSED = 25  # tenths, of systemd-analyze security: "OK"; a unit without hardening has 96


def _may_mount() -> bool:
    return (
        os.geteuid() == 0
        and subprocess.run(["/usr/bin/unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0
    )


needs_systemd = pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed (apt install systemd)")


@needs_systemd
def test_systemd_accepts_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    (tmp_path / "units").mkdir()
    manage(environment(tmp_path), "install_units", "--user", "root", "--to", str(tmp_path / "units"))
    units = sorted(map(str, (tmp_path / "units").iterdir()))
    assert len(units) == 5
    done = subprocess.run([str(SYSTEMD), "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for unit in units:
        if unit.endswith(".service"):
            command = [str(SYSTEMD), "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout
    text = (tmp_path / "units" / "faceplane-web.service").read_text()
    assert f"ReadWritePaths={tmp_path}/data" in text
    assert f"WorkingDirectory={settings.BASE_DIR}" in text


def _allowed() -> set[str]:
    """Return the system calls of the units' filter, by name."""
    done = subprocess.run([str(SYSTEMD), "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True)
    groups: dict[str, list[str]] = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines():
        words = line.split("#")[0].split()
        if words and line.startswith("@"):
            groups[words[0]] = current = []
        elif len(words) == 1 and line.startswith(" "):
            current.append(words[0])

    def names(group: str) -> set[str]:
        return {name for each in groups[group] for name in (names(each) if each.startswith("@") else {each})}

    unit = (settings.BASE_DIR / "config" / "deploy" / "systemd" / "faceplane-web.service").read_text()
    (filtered,) = re.findall(r"^SystemCallFilter=(.+)$", unit, re.MULTILINE)
    return set().union(*(names(group) for group in filtered.split()))


@needs_systemd
@pytest.mark.skipif(STRACE is None, reason="strace is not installed (apt install strace)")
def test_the_units_filter_allows_every_system_call_that_our_processes_make(tmp_path: Path) -> None:
    """Decoding, searching, the index's files and memory, a reload, tasks: no call would be refused."""
    env = environment(tmp_path)
    key = {"x-api-key": prepare(env, acme="people")["acme"]}
    counted = tmp_path / "calls"
    tracer = tmp_path / "python"
    tracer.write_text(f'#!/bin/sh\nexec {STRACE} -D -f -c -U name -o {counted}.$$ "$@"\n')
    tracer.chmod(0o700)
    log = tmp_path / "log"
    with (
        web_server(env, workers=1, tracer=[str(tracer)]) as (url, _),
        worker(env, "--beat", "--pool", "prefork", "--concurrency", "1", log=log, tracer=[str(tracer)]),
    ):
        until(lambda: call(f"{url}/readyz")[1]["status"] == "ready", 200, log=log)
        body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("obama"))}
        assert call(f"{url}/faces", "POST", body, **key)[0] == 200
    made = {name for file in tmp_path.glob("calls.*") for name in file.read_text().split() if name.isidentifier()}
    made -= {"syscall", "total"}
    assert {"openat", "mmap", "flock", "execve"} <= made
    assert made - _allowed() == set()


@pytest.mark.skipif(not _may_mount(), reason="only a superuser who may mount can run the image's tree")
def test_the_image_runs_as_its_user_on_a_read_only_root_without_shared_memory(tmp_path: Path) -> None:
    """Its entry point, paths and variables, with 1,024 descriptors and a /dev/shm that nobody may write to."""
    tmp_path.chmod(0o755)
    for above in tmp_path.parents:
        if above.owner() == "root" and above != Path("/") and "pytest" in above.name:
            above.chmod(0o755)
    image, log = Image(tmp_path), tmp_path / "log"
    assert int(instruction("USER").partition(":")[0]) > 0
    bind = f"127.0.0.1:{free_port()}"
    assert image.run("manage.py", "migrate", "--verbosity", "0").returncode == 0
    made = image.run("manage.py", "create_tenant", "acme")
    assert made.returncode == 0, made.stderr
    image.run("manage.py", "create_collection", "acme", "people")
    shown = image.run("manage.py", "issue_key", "acme").stdout
    key = {"x-api-key": shown_key(shown)}
    with (
        image.running(log=log, BIND=bind, WEB_WORKERS="1"),
        image.running("-m", "celery", "--app", "config", "worker", "--beat", "--pool", "threads", log=log),
    ):
        until(lambda: _ready(bind), 120, log=log)
        body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("obama"))}
        assert call(f"http://{bind}/faces", "POST", body, **key)[0] == 200
        found = call(f"http://{bind}/search", "POST", {**body, "requestName": "x"}, **key)
        assert found[0] == 200, found
        report = json.loads(image.run("manage.py", "doctor", "--json").stdout)
        errors = [each for found in report["checks"].values() for each in found if each["severity"] == "error"]
        assert errors == []
        limits = report["checks"]["limits"]
        assert limits[0]["severity"] == "warning"  # so few descriptors: it says so
    refused = image.run("-c", "open('/opt/faceplane/x', 'w')")
    assert "Read-only file system" in refused.stderr


def _ready(bind: str) -> bool:
    try:
        return bool(call(f"http://{bind}/readyz")[1]["status"] == "ready")
    except OSError:
        return False


def test_the_compose_file_hardens_what_it_runs_and_names_only_settings_and_files_that_exist() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    ours = [service for service in compose["services"].values() if service.get("build")]
    assert len(ours) == 4
    code = "".join(file.read_text() for file in (settings.BASE_DIR / "config").rglob("*.py"))
    for service in ours:
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["image"] == f"faceplane:{settings.VERSION}"
        named = {*service["environment"], *variables()} - {"PYTHONDONTWRITEBYTECODE"}
        assert [name for name in named if f'"{name.removesuffix("_FILE")}"' not in code] == []
        places = [volume.partition(":")[2] for volume in service["volumes"]]
        assert places == ["/var/lib/faceplane", "/run/faceplane"]
        assert variables()["DATA_DIR"] == places[0]
        assert {Path(variables()[name]).parent for name in ("HOST_DIR", "INDEX_OPEN_DIR")} == {Path(places[1])}
        known = {f"/run/secrets/{name}" for name in compose["secrets"]}
        assert {value for name, value in service["environment"].items() if name.endswith("_FILE")} <= known
    mounted = [
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])
    ]
    assert all((settings.BASE_DIR / path).is_file() for path in mounted if path.startswith("./"))
    assert {path for path in mounted if not path.startswith("./")} == set(compose["volumes"])


@pytest.mark.skipif(CLIENT is None, reason="docker-compose is not installed (apt install docker-compose)")
def test_the_client_accepts_the_compose_file_and_asks_for_the_host(tmp_path: Path) -> None:
    """Debian's client is older than `name`, and needs no engine for this."""
    text = COMPOSE.read_text()
    assert "\nname: faceplane\n" in text
    (tmp_path / "compose.yaml").write_text(text.replace("\nname: faceplane\n", "\n"))
    env = {name: value for name, value in os.environ.items() if name != "HOST"}
    answers = [
        subprocess.run(
            [str(CLIENT), "config"], cwd=tmp_path, env=env | more, capture_output=True, text=True, check=False
        )
        for more in ({}, {"HOST": "localhost"})
    ]
    assert [answer.returncode == 0 for answer in answers] == [False, True], answers
    assert "set HOST in .env" in answers[0].stderr
    web = yaml.safe_load(answers[1].stdout)["services"]["web"]
    assert web["environment"]["PUBLIC_URL"] == "https://localhost"
    assert web["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.skipif(CADDY is None, reason="Caddy is not installed")
def test_caddy_accepts_the_compose_files_proxy(tmp_path: Path) -> None:
    file = settings.BASE_DIR / "config" / "deploy" / "compose" / "Caddyfile"
    command = [str(CADDY), "validate", "--adapter", "caddyfile", "--config", str(file)]
    env = os.environ | {"HOST": "localhost", "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
