"""From the bytes of an image to its faces: the order of the steps. Each step is a module of its own."""

from collections.abc import Sequence

import cv2

from recognition import packs
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.pipeline.align import SIDE, align
from recognition.pipeline.decode import decode
from recognition.pipeline.embed import embed as embed_faces
from recognition.pipeline.embed import sides
from recognition.pipeline.landmarks import five, locate
from recognition.pipeline.liveness import assess
from recognition.pipeline.orient import spread, view
from recognition.pipeline.pose import estimate
from recognition.pipeline.quality import judge
from recognition.pipeline.second_opinion import opinion
from recognition.results import Analysis, Box, DetectedFace, Floats, Landmarks, Liveness, Pixels

cv2.setNumThreads(1)  # requests already run in parallel; more threads would compete for the same cores


def assess_crop(data: bytes, *, pack: str = packs.DEFAULT, limits: ImageLimits = DEFAULT_LIMITS) -> Liveness:
    """Return the liveness of the face that fills an image; nothing is detected.

    Raises:
        The errors of `analyse`.
    """
    models = packs.get(pack)
    image = decode(data, limits)
    height, width = image.shape[:2]
    [found] = assess(image, [Box(0, 0, width, height)], models, whole=True)
    return found


def embed_at(pixels: Pixels, points: Sequence[Landmarks], pack: str) -> Floats:
    """Return the embeddings (n, d) by a pack of faces whose landmarks (5, 2) are known.

    Raises:
        UnknownPack, ModelUnavailable: see `analyse`.
    """
    models, clear = packs.get(pack), spread(pixels)
    aligned = {side: [align(clear, face, side) for face in points] for side in sides(models)}
    return embed_faces(aligned, models)[0]


def analyse(
    data: bytes,
    *,
    pack: str = packs.DEFAULT,
    limits: ImageLimits = DEFAULT_LIMITS,
    embed: int | None = None,
    liveness: int = 0,
    max_faces: int = 100,
    turn: bool = True,
) -> Analysis:
    """Find the faces of an encoded image, largest first, with pose and quality.

    The `embed` largest faces (None: all) also get an embedding, the `liveness` largest a liveness score. Unless `turn`
    is off, an image without a sure upright face is also looked at in other positions. More than 40 lines, because the
    steps in their order, and what each contributes to a face, are read together.

    Raises:
        ImageTooLarge, ImageTooSmall, UnsupportedFormat, UndecodableImage: the image is refused.
        Busy: other images take the memory that decoding needs.
        UnknownPack: there is no such pack.
        ModelUnavailable: a required model is not installed.
    """
    models = packs.get(pack)
    image = decode(data, limits)
    seen = view(image, models.detector, max_faces, turn=turn, second=models.second_opinion)
    pixels = seen.clear
    boxes = [box for box, _ in seen.found]
    located = locate(pixels, boxes, models.landmarks)
    points = [five(face) for face in located]
    aligned = [align(pixels, face) for face in points]
    to_embed = {side: [align(pixels, face, side) for face in points[:embed]] for side in sides(models) - {SIDE}}
    poses = [estimate(face) for face in located]
    lives = assess(seen.pixels, boxes[:liveness], models) if liveness else []
    vectors, lengths = embed_faces({SIDE: aligned[:embed], **to_embed}, models)

    opinions = [
        opinion(pixels, box, confidence, points[at], models.second_opinion) if at < len(vectors) else None
        for at, (box, confidence) in enumerate(seen.found)
    ]
    faces = (
        DetectedFace(
            box=box,
            landmarks=points[at],
            confidence=confidence,
            pose=poses[at],
            quality=judge(
                aligned[at],
                box,
                confidence,
                poses[at],
                pixels.shape[1::-1],
                model=models.quality,
                length=float(lengths[at]) if at < len(lengths) else None,
                opinion=opinions[at],
            ),
            liveness=lives[at] if at < len(lives) else None,
            embedding=vectors[at] if at < len(vectors) else None,
            points=located[at],
        )
        for at, (box, confidence) in enumerate(seen.found)
    )
    height, width = image.shape[:2]
    return Analysis(width, height, tuple(map(seen.restored, faces)), image)
