"""Settings are read from the environment; an invalid value raises with a sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.files import storage_at
from config.secrets import generated


def test_values_are_read_by_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("X_NUMBER", "12")
    monkeypatch.setenv("X_FLAG", "Yes")
    monkeypatch.setenv("X_WORDS", "a, b,,c ")
    monkeypatch.setenv("X_EMPTY", "")
    secret = tmp_path / "secret"
    secret.write_text(" s3cret\n")
    monkeypatch.setenv("X_SECRET_FILE", str(secret))
    assert env.integer("X_NUMBER", 1) == 12
    assert env.flag("X_FLAG", default=False) is True
    assert env.words("X_WORDS") == ["a", "b", "c"]
    assert env.text("X_EMPTY", "default") == "default"
    assert env.text("X_SECRET") == "s3cret"
    assert env.choice("X_NOTHING", "a", ("a", "b")) == "a"
    assert env.url("X_NOTHING", "https://faces.example.com:8443") == "https://faces.example.com:8443"


def test_an_invalid_value_raises_with_name_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "maybe")
    monkeypatch.setenv("Y_FILE", "/nowhere")
    for read in (
        lambda: env.flag("X", default=True),
        lambda: env.integer("X", 1),
        lambda: env.choice("X", "a", ("a", "b")),
        lambda: env.url("X", "http://localhost"),
    ):
        with pytest.raises(ImproperlyConfigured, match=r"^X must be .* 'maybe'\.$"):
            read()
    monkeypatch.setenv("X", "3")
    with pytest.raises(ImproperlyConfigured, match="X must be at least 4"):
        env.integer("X", 9, least=4)
    with pytest.raises(ImproperlyConfigured, match="Y_FILE names /nowhere"):
        env.text("Y")


def test_the_operators_guide_has_every_variable_and_the_default_of_each_number() -> None:
    sources = "".join(file.read_text() for file in (settings.BASE_DIR / "config").glob("*.py"))
    lines = [
        line for line in (settings.BASE_DIR / "docs/operate.md").read_text().splitlines() if line.startswith("| `")
    ]
    rows = {name: row for row in lines for name in re.findall(r"`([A-Z_]+)`", row.split(" | ")[0])}
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', sources))
    assert read
    assert read - rows.keys() == set()
    for name, default in re.findall(r'env\.integer\(\s*"([A-Z_]+)", ([\d_]+)', sources):
        assert name == "DATABASE_STATEMENT_SECONDS" or f"{int(default):,}" in rows[name], name


def test_a_generated_secret_is_kept_and_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep" / "master.key"
    first = generated(file, without="all is lost")
    assert generated(file, without="all is lost") == first
    assert capsys.readouterr().err == f"A new secret was made: {file}. Keep a copy: without it all is lost.\n"
    assert len(first) == 44
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["master.key"]


SPLIT = """
set -a
STORAGE_URL=s3://faces/kept?endpoint=http://127.0.0.1:9&region=eu-west-1
set +a
exec {python} -c 'import config.settings'
"""
HALF = {
    "ftp://host/x": "must begin with file:// or s3://",
    "file://data/files": "absolute",
    "file:///data?region=eu": "without more",
    "s3://?region=eu": "with a value",
    "s3://faces?endpoint=&region=eu": "with a value",
    "s3://faces?endpont=http://x": "unknown option endpont",
    "s3://faces?endpoint=minio:9000": "must begin with https://",
    "s3://faces": "AWS_DEFAULT_REGION",
}


@pytest.mark.parametrize("url", HALF)
def test_an_incomplete_storage_url_stops_the_start(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=r"^STORAGE_URL") as refused:
        storage_at(url)
    assert HALF[url] in str(refused.value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert storage_at("s3://faces/a/b")["OPTIONS"]["location"] == "a/b"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    with pytest.raises(ImproperlyConfigured, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one"):
        storage_at("s3://faces/a/b")


def test_a_url_that_a_shell_split_stops_the_start(tmp_path: Path) -> None:
    """Otherwise images would silently go to local files."""
    own = {name: value for name, value in os.environ.items() if name != "STORAGE_URL"}
    done = subprocess.run(
        ["/bin/sh", "-c", SPLIT.format(python=sys.executable)],
        cwd=settings.BASE_DIR,
        env=own | {"DATA_DIR": str(tmp_path), "SECRETS_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "STORAGE_URL is not set, but region is" in done.stderr
    assert "single quotes" in done.stderr


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("STORAGE_URI", "STORAGE_URL"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("MASTER_KEY_FILE", "MASTER_KEYS_FILE"),
        ("storage_url", "STORAGE_URL"),
        ("COMPUTE_SLOT", "COMPUTE_SLOTS"),
        ("WEB_WORKER", "WEB_WORKERS"),
    ],
)
def test_a_misspelt_setting_stops_the_start(written: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = ("WEB_WORKERS", "WEB_THREADS", "BIND")
    monkeypatch.delenv(meant, raising=False)
    env.refuse_misspelt(others)
    monkeypatch.setenv(written, "x")
    with pytest.raises(ImproperlyConfigured, match=f"{written} is set, but nothing reads it. Is {meant} meant"):
        env.refuse_misspelt(others)
    monkeypatch.setenv(meant, "")
    env.refuse_misspelt(others)


def test_what_other_programs_read_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = "HTTPS_PROXY HTTP_PROXY XDG_DATA_DIRS DATABASE_PASSWORD STORAGE_PORT STORAGE_SERVICE_HOST DATA EMAIL"
    for name in strange.split():
        monkeypatch.setenv(name, "x")
    env.refuse_misspelt()
