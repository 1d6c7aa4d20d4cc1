"""The program of a decoding process: an image file in, pixels out, under limits that the operating system enforces.

It runs by its path in a separate interpreter, without the project's modules, environment or open files, and imports
only Pillow. Its arguments are the number of the socket to its parent and the memory limit; it ends when its parent
closes the socket.

A request is a REQUEST with two files: the image, and space for (height, width, 3) uint8, blue-green-red, upright. The
answer is an ANSWER, followed by the reason why the image was not decoded; empty after success.
"""

import gc
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PIL import AvifImagePlugin, Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

REQUEST = struct.Struct("=4sIIQd?")  # format, width and height to draft for, private bytes, CPU seconds, open-ended
ANSWER = struct.Struct("=IId")  # width, height, CPU seconds of the process so far
CUT_OFF, TOO_MUCH_MEMORY = "cut off", "memory"

_LIFETIME = 120  # CPU seconds; the parent replaces a process much earlier
_DAMAGE_LENGTH = 300
_STRIP = 100_000  # pixels that are converted at once: few enough for the processor's cache
_NEVER_DRAWN = (1, 254, 3, 77)
_CHANNELS = 3
_ORIENTATION = 0x0112
# EXIF 2.32, table 6: how to turn each orientation upright. 1 is upright; invalid values count as 1.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = frozenset((5, 6, 7, 8))
_FROM_THE_END = frozenset((3, 4, 7, 8))  # the first rows of the upright image are the last stored rows or columns


def main() -> None:
    """Serve requests until the parent closes its end."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123 -- light
        file.write("1000")  # if memory runs out, the kernel ends a decoder before the server
    for kind, most in (
        (resource.RLIMIT_CPU, _LIFETIME),
        (resource.RLIMIT_DATA, int(sys.argv[2])),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    gc.freeze()
    channel = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request, files, _, _ = socket.recv_fds(channel, REQUEST.size, 2)
        if not request:
            return
        kind, width, height, memory, seconds, open_ended = REQUEST.unpack(request)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, int(sys.argv[2])))
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal has no handler, so it always ends the process
        size, problem = _decode(files, kind.rstrip(b"\0").decode(), (width, height), open_ended=open_ended)
        signal.setitimer(signal.ITIMER_PROF, 0)
        used = resource.getrusage(resource.RUSAGE_SELF)
        channel.send(ANSWER.pack(*size, used.ru_utime + used.ru_stime) + problem.encode(errors="replace"))
        gc.collect()  # some readers hold reference cycles that keep their pixels


def _decode(files: list[int], kind: str, draft: tuple[int, int], *, open_ended: bool) -> tuple[tuple[int, int], str]:
    """Decode one image into the second file; return its width and height, and the problem if there is one."""
    try:
        with mmap.mmap(files[0], 0) as source, _opened(kind, source) as image:
            if any(draft):
                # A JPEG can be decoded at 1/2, 1/4 or 1/8, but not below `draft`. A PNG cannot.
                image.draft(image.mode, draft)
            _load(image, open_ended=open_ended)
            return _write(image, files[1]), ""
    except MemoryError:
        return (0, 0), TOO_MUCH_MEMORY
    except Exception as error:  # noqa: BLE001 -- any error means that this image cannot be read; the next one may be readable
        return (0, 0), CUT_OFF if "truncated" in str(error).lower() else str(error)[:_DAMAGE_LENGTH] or "unreadable"
    finally:
        for file in files:
            os.close(file)


def _opened(kind: str, source: mmap.mmap) -> ImageFile:
    """Construct the reader of the format directly: Pillow's own dispatcher would try every format it knows."""
    if kind == "HEIC":
        from pillow_heif import options  # noqa: PLC0415 -- slow to import, and few images need it
        from pillow_heif.as_plugin import HeifImageFile  # noqa: PLC0415

        options.DECODE_THREADS = 1
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        heic: ImageFile = HeifImageFile(source)  # type: ignore[no-untyped-call]
        return heic
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    readers: dict[str, Callable[[Any], ImageFile]] = {
        "JPEG": JpegImageFile,
        "PNG": PngImageFile,
        "WEBP": WebPImageFile,
        "AVIF": AvifImageFile,
        "BMP": BmpImageFile,
    }
    return readers[kind](source)


def _load(image: ImageFile, *, open_ended: bool) -> None:
    """Decode the image. A JPEG without an end marker is complete if its last row was drawn."""
    if open_ended:
        image.im = Image.new(image.mode, image.size, _NEVER_DRAWN[: len(image.getbands())]).im
    try:
        image.load()
    except OSError:
        if not open_ended:
            raise
        image.tile = []  # nothing more will come
        width, height = image.size
        bands = image.crop((0, height - 1, width, height)).split()
        if all(band.getextrema() == (never, never) for band, never in zip(bands, _NEVER_DRAWN, strict=False)):
            raise


def _write(image: ImageFile, file: int) -> tuple[int, int]:
    """Write the image upright as 8-bit blue-green-red, a strip at a time; return its width and height."""
    turn = _orientation(image)
    (across, down), transparent = image.size, image.has_transparency_data
    width, height = (down, across) if turn in _ON_ITS_SIDE else (across, down)
    size = width * height * _CHANNELS
    if size > os.fstat(file).st_size:
        raise MemoryError
    rows = max(1, _STRIP // width)
    with mmap.mmap(file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE) as target:
        for top in range(0, height, rows):
            first, last = top, min(top + rows, height)
            if turn in _FROM_THE_END:
                first, last = height - last, height - first
            strip = image.crop((first, 0, last, down) if turn in _ON_ITS_SIDE else (0, first, across, last))
            if turn in _UPRIGHT:
                strip = strip.transpose(_UPRIGHT[turn])
            target.write(_colours(strip, transparent=transparent).tobytes("raw", "BGR"))
    return width, height


def _orientation(image: ImageFile) -> int:
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 -- damaged metadata does not make a picture unreadable
        return 1
    return found if found in _UPRIGHT else 1


def _colours(strip: Image.Image, *, transparent: bool) -> Image.Image:
    """Return the strip in 8-bit colour: 16 bits are scaled, transparency gets a white background."""
    if strip.mode.startswith("I"):  # 16-bit gray: Pillow's own conversion to 8 bits clips
        strip = Image.frombytes("L", strip.size, strip.tobytes("raw", "I;16")[1::2])
    elif transparent:
        ground = Image.new("RGB", strip.size, "white")
        strip = strip.convert("RGBA")
        ground.paste(strip, mask=strip)
        return ground
    return strip if strip.mode == "RGB" else strip.convert("RGB")


if __name__ == "__main__":
    main()
