"""Read folders of labelled photographs."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from recognition import pipeline
from recognition.errors import RecognitionError
from recognition.results import Analysis

Made = TypeVar("Made")
Item = TypeVar("Item")
_ENDINGS = {".jpg", ".jpeg", ".png"}


def each(files: Sequence[Item], make: Callable[[Item], Made]) -> list[Made]:
    """Apply a function to every file or group of files, on all cores, with a progress bar."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(make, files), total=len(files), unit="img"))


def pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, sorted by name."""
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)


def seen(file: Path, pack: str, embed: int | None = None) -> Analysis | None:
    """Return what the pipeline sees in a picture; None if it refuses the picture."""
    try:
        return pipeline.analyse(file.read_bytes(), pack=pack, embed=embed)
    except RecognitionError:
        return None


def sample(files: Sequence[Item], most: int) -> Sequence[Item]:
    """Return up to `most` of the items, evenly chosen."""
    return files[:: max(1, len(files) // most)][:most]
