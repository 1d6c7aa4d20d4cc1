"""manage.py install_units [--user NAME] [--to DIR]: the units of systemd for this installation."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

_UNITS = settings.BASE_DIR / "config" / "deploy" / "systemd"
_READABLE = 0o644
_OPEN = ("/var/lib/faceplane", "/dev/shm")  # noqa: S108 -- the units' StateDirectory, and memory


class Command(BaseCommand):
    """Print the units, or write them to a folder."""

    help = "Print the units of web server, worker, beat and nightly backup with this folder and user; --to writes them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the user, the file of variables, and a folder."""
        parser.add_argument("--user", default="faceplane", help="the system user who runs them")
        parser.add_argument("--environment", default="/etc/faceplane/faceplane.env", help="the file of variables")
        parser.add_argument("--to", metavar="DIR", type=Path, help="write them there, such as /etc/systemd/system")

    def handle(self, *args: Any, user: str, environment: str, to: Path | None, **options: Any) -> None:
        """Insert the values, and print or write."""
        for file in sorted(_UNITS.iterdir()):
            text = file.read_text(encoding="utf-8")
            text = text.replace("/opt/faceplane/.venv", sys.prefix).replace("/opt/faceplane", str(settings.BASE_DIR))
            text = text.replace("User=faceplane", f"User={user}").replace("/etc/faceplane/faceplane.env", environment)
            if folders := _other_folders():
                text = text.replace("ProtectSystem=strict", f"ProtectSystem=strict\nReadWritePaths={' '.join(folders)}")
            if to is None:
                self.stdout.write(f"# {file.name}\n{text}")
                continue
            (to / file.name).write_text(text, encoding="utf-8")
            (to / file.name).chmod(_READABLE)
            self.stdout.write(f"{to / file.name}")
        if to is not None:
            names = "faceplane-web faceplane-worker faceplane-beat faceplane-backup.timer"
            self.stdout.write(f"Then: systemctl daemon-reload; systemctl enable --now {names}")


def _other_folders() -> list[str]:
    """Return the folders of the settings that the units do not open for writing anyway."""
    storage = settings.STORAGE_URL.removeprefix("file://") if settings.STORAGE_URL.startswith("file:") else None
    database = settings.DATABASES["default"]
    named = [settings.DATA_DIR, settings.INDEX_DIR, settings.INDEX_OPEN_DIR, settings.HOST_DIR, storage]
    if database["ENGINE"].endswith("sqlite3"):
        named.append(Path(database["NAME"]).parent)
    folders = {Path(folder) for folder in named if folder}
    return sorted(str(folder) for folder in folders if not any(folder.is_relative_to(open_) for open_ in _OPEN))
