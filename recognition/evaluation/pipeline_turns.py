"""A process that runs the pipeline for some seconds when it is told to: what `benchmark http` compares the server with.

    python -m recognition.evaluation.pipeline_turns PACK IMAGE…

It prints a line when its models are loaded. Then it reads lines with a way and a number of seconds, and answers each
with the number of images and the seconds that they took.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

from recognition import packs, pipeline
from recognition.evaluation.pipeline_benchmark import recorded
from recognition.packs import sessions
from recognition.pipeline import decode
from recognition.results import Floats


def _ways(pack: packs.Pack, images: Sequence[bytes]) -> dict[str, list[Callable[[], object]]]:
    """Return, for each way, a call for each image: `analyse` for one face, and the bare loop over its sessions."""

    def bare(data: bytes, run: Sequence[tuple[packs.Model, Floats]]) -> None:
        decode.decode(data)
        for model, batch in run:
            sessions.run(model, batch)

    return {
        "analyse": [partial(pipeline.analyse, data, pack=pack.name, embed=1) for data in images],
        "bare": [partial(bare, data, recorded(data, pack, liveness=0)) for data in images],
    }


def main() -> None:
    """Work until the input ends."""
    name, *files = sys.argv[1:]
    ways = _ways(packs.get(name), [Path(file).read_bytes() for file in files])
    print("ready", flush=True)  # noqa: T201 -- the answers to the parent
    for line in sys.stdin:
        way, seconds = line.split()
        done, began = 0, time.perf_counter()
        for call in cycle(ways[way]):
            call()
            done += 1
            if time.perf_counter() - began >= float(seconds):
                break
        print(done, time.perf_counter() - began, flush=True)  # noqa: T201


if __name__ == "__main__":
    import django

    django.setup()
    main()
