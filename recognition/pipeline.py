"""From an image to faces: decode, detect, place landmarks, align, judge, embed.

Each step is a pure function on arrays in a module of its own; this one says in which order they come.
"""

import cv2

from recognition import align, landmarks, packs, pose, quality
from recognition import embed as embedding
from recognition import liveness as presentation
from recognition.decode import DEFAULT_LIMITS, ImageLimits, decode
from recognition.detect import detect
from recognition.results import Analysis, DetectedFace

# A server's requests are parallel already; OpenCV's own threads would only take turns with them.
cv2.setNumThreads(1)

MOST_FACES = 100


def analyse(
    data: bytes,
    *,
    pack: str = packs.DEFAULT,
    limits: ImageLimits = DEFAULT_LIMITS,
    embed: int | None = None,
    liveness: bool = False,
    max_faces: int = MOST_FACES,
) -> Analysis:
    """Find the faces of an encoded image, the largest first, each with pose and quality.

    The `embed` largest (None: all) get an embedding in the space of the pack and, with `liveness`, a liveness score.

    Raises:
        ImageTooLarge, ImageTooSmall, UnsupportedFormat, UndecodableImage: see recognition.decode.
        UnknownPack: there is no such pack.
        ModelUnavailable: a model is not installed that this call needs.
    """
    models = packs.get(pack)
    pixels = decode(data, limits)
    size = pixels.shape[:2]
    found = detect(pixels, models.detector, max_faces)
    boxes = [box for box, _ in found]
    points = landmarks.locate(pixels, boxes, models.landmarks)
    corners = [landmarks.five(face) for face in points]
    crops = [align.align(pixels, face) for face in corners]
    poses = [pose.pose(face) for face in points]
    vectors = embedding.embed(crops[:embed], models)
    alive = presentation.assess(pixels, boxes[:embed], models.liveness) if liveness else []
    faces = (
        DetectedFace(
            box=box,
            landmarks=corners[place],
            confidence=confidence,
            pose=poses[place],
            quality=quality.assess(crops[place], box, poses[place], confidence, size),
            liveness=alive[place] if place < len(alive) else None,
            embedding=vectors[place] if place < len(vectors) else None,
        )
        for place, (box, confidence) in enumerate(found)
    )
    return Analysis(size[1], size[0], tuple(faces), pixels)
