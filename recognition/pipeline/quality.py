"""Quality of a face: its measures, what they lead to expect, and the gates that decide by it.

One number decides: how likely a good photograph of the same person fails to match this face (`ExpectedMiss`, learnt by
`manage.py evaluate learn-quality`). The named limits only say why it is high.
"""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass

import cv2
import numpy as np

from recognition.packs import ExpectedMiss
from recognition.pipeline.second_opinion import Opinion
from recognition.results import Box, Pixels, Pose, Quality, QualityReason

# What is worth naming as a reason. Sizes are in pixels, angles in degrees either way, brightness is 0 to 1.
_SMALL, _YAW, _PITCH, _DARK, _BRIGHT, _SHOWN, _CONFIDENCE = 28, 35, 25, 0.12, 0.75, 0.85, 0.75
# Detail separates blur, even along one direction, from darkness and noise: of 100 portraits, 99 % are above .020; with
# 25 of 250 pixels of blur in any direction, 95 % are below .008.
_DETAIL = 0.015
_MOTION_DETAIL, _MOTION_EVENNESS = 0.008, 0.25  # both below: strangers match; even blur lets them differ
# The second opinion's confidence below which nobody is enrolled: none of 1,633 portraits is below .43.
_NOT_HUMAN = 0.25

# Width divided by height of the box of a whole face: the median of 3,811 photographs; 98 % are within .68 to .86.
_PROPORTION = 0.76
_AT_EDGE = 0.05  # a box reaches the image's edge if it is this near, as a share of its shorter side

_ANGLES = np.radians(np.arange(0, 180, 22.5))
_ALONG = np.stack((np.cos(_ANGLES) ** 2, np.sin(2 * _ANGLES), np.sin(_ANGLES) ** 2), axis=1)


@dataclass(frozen=True, slots=True)
class Measures:
    """How far each measure is from that of a good portrait: 0 for one, and more the worse it is.

    `doubt` and `disagreement` are of the second opinion; `short` of the raw vector, and 0 if there is none.
    """

    small: float
    yaw: float
    pitch: float
    blur: float
    dark: float
    bright: float
    cut: float
    unsure: float
    doubt: float
    disagreement: float
    short: float


def judge(
    aligned: Pixels,
    box: Box,
    confidence: float,
    pose: Pose,
    size: tuple[int, int],
    *,
    model: ExpectedMiss | None,
    length: float | None = None,
    opinion: Opinion | None = None,
) -> Quality:
    """Measure an aligned face (112, 112, 3), blue-green-red, and compare it with the gates and the floor.

    `box` and `size`, (width, height), refer to the original image; `length` is that of the raw vector. Sharpness is the
    variance of the Laplacian of the aligned face in gray, 0 to 255; brightness is the mean of that gray, as a share of
    white.
    """
    face = see(aligned, box, confidence, pose, size, opinion)
    short = 0.0 if length is None or model is None else 1 - length / model.length
    miss = expected(model, face.measures(short), embedded=length is not None) if model else None
    floor = tuple(face.below_floor(short_vector=length is not None and model is not None and length < model.floor))
    named = tuple(dict.fromkeys((*face.named(), *floor))) or (QualityReason.UNRECOGNISABLE,)
    standard, strict = (model.standard, model.strict) if model else (1.0, 1.0)
    return Quality(
        face.sharpness,
        face.brightness,
        box.side,
        reasons=named if floor or (miss or 0) > standard else (),
        strict_reasons=named if floor or (miss or 0) > strict else (),
        floor_reasons=floor,
        length=length,
        expected_miss=miss,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured of a face."""

    box: Box
    pose: Pose
    confidence: float
    sharpness: float
    brightness: float
    shown: float
    detail: float
    evenness: float
    opinion: Opinion | None

    def measures(self, short: float) -> Measures:
        """Return how far the face is from a good portrait; `short` is the share that its raw vector lacks."""
        opinion = self.opinion or Opinion(1.0, 0.0)
        return Measures(
            small=_beyond(60, self.box.side),
            yaw=max(0.0, abs(self.pose.yaw) - 15) / 20,
            pitch=max(0.0, abs(self.pose.pitch) - 15) / 20,
            blur=_beyond(0.03, self.detail),
            dark=_beyond(0.3, self.brightness),
            bright=max(0.0, self.brightness - 0.6) / 0.2,
            cut=1 - min(1.0, self.shown),
            unsure=max(0.0, 0.9 - self.confidence) / 0.1,
            doubt=max(0.0, 0.8 - opinion.confidence) / 0.2,
            disagreement=_beyond(opinion.disagreement, 0.12),
            short=5 * short,
        )

    def named(self) -> Iterator[QualityReason]:
        """Yield what is worth naming if the face is refused."""
        verdicts = {
            QualityReason.SMALL_FACE: self.box.side < _SMALL,
            QualityReason.EXTREME_POSE: abs(self.pose.yaw) > _YAW or abs(self.pose.pitch) > _PITCH,
            QualityReason.LOW_SHARPNESS: self.detail < _DETAIL,
            QualityReason.TOO_DARK: self.brightness < _DARK,
            QualityReason.TOO_BRIGHT: self.brightness > _BRIGHT,
            QualityReason.CUT_BY_EDGE: self.shown < _SHOWN,
            QualityReason.LOW_CONFIDENCE: self.confidence < _CONFIDENCE,
            QualityReason.NOT_HUMAN: self.opinion is not None and self.opinion.confidence < 2 * _NOT_HUMAN,
        }
        return (reason for reason, worth in verdicts.items() if worth)

    def below_floor(self, *, short_vector: bool) -> Iterator[QualityReason]:
        """Yield why nobody can be told by the face."""
        if self.detail < _MOTION_DETAIL and self.evenness <= _MOTION_EVENNESS:
            yield QualityReason.LOW_SHARPNESS
        if short_vector:
            yield QualityReason.UNRECOGNISABLE
        if self.opinion is not None and self.opinion.confidence < _NOT_HUMAN:
            yield QualityReason.NOT_HUMAN


def see(  # noqa: PLR0917 -- what is known of a face, in the order of `judge`
    aligned: Pixels, box: Box, confidence: float, pose: Pose, size: tuple[int, int], opinion: Opinion | None
) -> Seen:
    """Measure an aligned face; what is given, and its units, are as in `judge`."""
    gray = np.asarray(cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY), np.uint8)
    sharpness, brightness = float(cv2.Laplacian(gray, cv2.CV_32F).var()), float(gray.mean() / 255)
    shown = _share_shown(box, *size)
    return Seen(box, pose, confidence, sharpness, brightness, shown, *_detail(gray), opinion)


def expected(model: ExpectedMiss, measures: Measures, *, embedded: bool) -> float:
    """Return the expected miss, 0 to 1, of a face whose vector is known (`embedded`) or not."""
    intercept, *weights = model.embedded if embedded else model.seen
    odds = intercept + sum(weight * value for weight, value in zip(weights, astuple(measures), strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def _beyond(limit: float, value: float) -> float:
    """Return by how much a value falls short of the limit, on a logarithmic scale; 0 if it does not."""
    return max(0.0, math.log(max(limit, 1e-3) / max(value, 1e-3)))


def _detail(gray: Pixels) -> tuple[float, float]:
    """Return the detail of a face in gray, and its evenness: least and greatest detail over eight directions, divided.

    Detail is the variance of the second derivative along a direction, as a share of the variance of the gray; the least
    one counts. Motion along a line blurs in that direction only, which an average over the directions does not show.
    """
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1)
    derivatives = [cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3).ravel() for order in ((2, 0), (1, 1), (0, 2))]
    covariance = np.cov(derivatives)
    variances = np.einsum("ai,ij,aj->a", _ALONG, covariance, _ALONG)
    least, greatest = float(variances.min()), max(float(variances.max()), 1.0)
    return least / max(float(gray.var()), 1.0), least / greatest


def _share_shown(box: Box, width: int, height: int) -> float:
    """Return the share of a face that is inside the image.

    The detector ends its box near the edge of the image, so a cut face shows in the proportions of the box.
    """
    near = _AT_EDGE * box.side
    shown = 1.0
    if box.x < near or box.x + box.width > width - near:
        shown = min(shown, box.width / (_PROPORTION * box.height))
    if box.y < near or box.y + box.height > height - near:
        shown = min(shown, _PROPORTION * box.height / box.width)
    return shown
