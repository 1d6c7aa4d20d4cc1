"""Folders that all processes of the host share and nobody else may enter: anybody may make a folder in /dev/shm."""

import os
from pathlib import Path


def private(folder: Path) -> Path:
    """Return the folder, made if it is not there, ours and closed to others.

    Raises:
        PermissionError: it is somebody else's, or open to others.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat(follow_symlinks=False)
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        message = f"{folder} must belong to this user and be closed to others."
        raise PermissionError(message)
    return folder
