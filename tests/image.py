"""What the Dockerfile makes, without an engine: its tree, user, variables and read-only root, in a mount namespace."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

DOCKERFILE = settings.BASE_DIR / "Dockerfile"
HOME = "/opt/faceplane"
# Arguments: the tree, the virtual environment, Python, a folder that holds the two writable folders, uid,
# then what to run. Python may lie in a home folder that the user cannot enter.
_NAMESPACE = f"""
set -e; umask 022
tree=$1 venv=$2 python=$3 volumes=$4 user=$5; shift 5
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir -p {HOME} /opt/python
mount --bind "$python" /opt/python
mount --bind "$tree" {HOME}
mount --bind "$venv" {HOME}/.venv
mkdir -p /opt/volumes/data /opt/volumes/memory
mount --bind "$volumes/data" /opt/volumes/data
mount --bind "$volumes/memory" /opt/volumes/memory
case $python in
    /root/*) mount -t tmpfs -o mode=755 tmpfs /root; mkdir -p "$python"; mount --bind /opt/python "$python" ;;
esac
mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/faceplane; mount --bind /opt/volumes/memory /run/faceplane
mount -t tmpfs -o mode=755 tmpfs /var/lib; mkdir /var/lib/faceplane; mount --bind /opt/volumes/data /var/lib/faceplane
mount -t tmpfs -o ro,mode=755 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
for at in / /opt {HOME} {HOME}/.venv /run /var/lib; do mount -o remount,bind,ro $at; done
cd {HOME}
exec prlimit --nofile=1024:1024 setpriv --reuid=$user --regid=$user --clear-groups --no-new-privs --bounding-set=-all \\
    --inh-caps=-all -- "$@"
"""


@cache
def _instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile's last stage."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    last = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
    return [(word, rest) for word, rest in lines[last:]]


def instruction(name: str) -> str:
    """Return the value of an instruction of the last stage."""
    return next(rest for word, rest in _instructions() if word == name)


def variables() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(word.partition("=")[::2] for word in shlex.split(instruction("ENV")))


class Image:
    """The image's tree in a folder, and its two volumes."""

    def __init__(self, folder: Path) -> None:
        """Copy what .dockerignore lets through, the static files and the models, as the first stage does."""
        self._folder, self._tree = folder, folder / "tree"
        ignored = shutil.ignore_patterns("__pycache__")
        for line in (settings.BASE_DIR / ".dockerignore").read_text().splitlines():
            source = settings.BASE_DIR / line.removeprefix("!")
            if line.startswith("!") and source.is_dir():
                shutil.copytree(source, self._tree / source.name, ignore=ignored)
            elif line.startswith("!"):
                self._tree.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self._tree)
        shutil.copytree(settings.STATIC_ROOT, self._tree / "static")
        shutil.copytree(settings.MODELS_HOME, self._tree / "models")
        (self._tree / ".venv").mkdir()
        self._user = instruction("USER").partition(":")[0]
        for volume in ("data", "memory"):
            (folder / volume).mkdir(mode=0o700)
            os.chown(folder / volume, int(self._user), int(self._user))
        for path in (self._tree, *self._tree.rglob("*")):  # the tests' umask closes them
            path.chmod(0o755 if path.is_dir() else 0o644)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs the image with arguments, by default its own."""
        entry, default = (json.loads(instruction(name)) for name in ("ENTRYPOINT", "CMD"))
        python = str(Path(sys.base_prefix).resolve())
        places = [self._tree, Path(sys.prefix).resolve(), python, self._folder]
        shell = ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _NAMESPACE, "sh"]
        return [*shell, *map(str, places), self._user, *entry, *(arguments or default)]

    def environment(self, **more: str) -> dict[str, str]:
        """Return the image's variables, and no others but the path."""
        return {"PATH": os.environ["PATH"], **variables(), **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments), env=self.environment(**more), capture_output=True, text=True, check=False
        )

    @contextmanager
    def running(self, *arguments: str, log: Path, **more: str) -> Iterator[subprocess.Popen[Any]]:
        """Run a service until the block ends."""
        with log.open("ab") as out:
            process = subprocess.Popen(self.command(*arguments), env=self.environment(**more), stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
