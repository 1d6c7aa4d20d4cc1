"""The environment is read once, and a bad value is a sentence."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import env
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


def test_a_bad_value_says_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_readme_has_every_variable_and_the_default_of_each_number() -> None:
    sources = "".join(file.read_text() for file in (settings.BASE_DIR / "config").glob("*.py"))
    rows = [line for line in (settings.BASE_DIR / "README.md").read_text().splitlines() if line.startswith("| `")]
    said = {name: row for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split(" | ")[0])}
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', sources))
    assert read
    assert read - said.keys() == set()
    for name, default in re.findall(r'env\.integer\(\s*"([A-Z_]+)", ([\d_]+)', sources):
        assert name == "DATABASE_STATEMENT_SECONDS" or f"{int(default):,}" in said[name], name


def test_a_generated_secret_stays_and_is_the_owner_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep" / "master.key"
    first = generated(file, without="all is lost")
    assert generated(file, without="all is lost") == first
    assert capsys.readouterr().err == f"A new secret was made: {file}. Keep a copy: without it all is lost.\n"
    assert len(first) == 44
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["master.key"]
