"""Private folders that all our processes on the host share. In /dev/shm any user can create folders, so check them."""

import os
from pathlib import Path


def private(folder: Path) -> Path:
    """Create the folder if it is missing, check that it is private, and return it.

    Raises:
        PermissionError: another user owns it, or others have access to it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat(follow_symlinks=False)
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        message = f"{folder} must belong to this user and be closed to others."
        raise PermissionError(message)
    return folder
