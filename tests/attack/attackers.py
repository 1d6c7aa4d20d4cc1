"""What an attacker does with a key: asks, keeps what is told, and computes a template from it.

Attackers are better off here than any real one: where a step has a size to choose, the best is taken by the truth that
they do not know, and they begin at once with the pictures that match, without the search for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from recognition import packs
from tests.attack.templates import Population, unit

SCALE = packs.get("light").similarity
MATCHES = float(SCALE.cosine(85))  # the default threshold
Ask: TypeAlias = Callable[[np.ndarray], dict[str, float] | None]
"""Sends a template; returns the scores told, by face, best first, or None once the key is refused."""


@dataclass
class Heard:
    """What was told of one face: the probes that matched, and the scores they were told."""

    probes: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @property
    def mean(self) -> np.ndarray:
        """The fact of nature: the mean of the probes that matched."""
        return unit(np.array(self.probes, dtype=np.float64).sum(axis=0))

    def recovered(self, owner: np.ndarray) -> float:
        """Return how near the best of the vectors comes that can be computed from it."""
        probes, disclosed = np.array(self.probes, dtype=np.float64), SCALE.cosine(np.array(self.scores) + 0.5)
        vectors = [self.mean, unit(disclosed @ probes), unit(np.exp(20 * (disclosed - disclosed.max())) @ probes)]
        alike = probes.T @ probes
        for ridge in (0.03, 0.3, 3.0):  # the vector that has the cosines that were told
            vectors += [unit(np.linalg.solve(alike + ridge * np.eye(len(alike)), probes.T @ disclosed))]
        return max(float(vector @ owner) for vector in vectors)


def linear(owner: np.ndarray, probes: np.ndarray) -> float:
    """Solve for the owner as before: a score of three digits, linear in the cosine, for each probe that was sent."""
    cosines = SCALE.cosine(np.round(SCALE.score(probes @ owner), 3))
    solved, *_ = np.linalg.lstsq(probes.astype(np.float64), cosines, rcond=None)
    return float(unit(solved) @ owner)


def other_people(ask: Ask, pool: np.ndarray, count: int) -> tuple[dict[str, Heard], int]:
    """Send pictures of other people: half at random, then those that are most like what has matched.

    Returns what was told by face, and how many were answered.
    """
    received: dict[str, Heard] = {}
    left = np.ones(len(pool), dtype=bool)
    for number in range(count):
        place = number if number < count // 2 or not received else _nearest(pool, left, received, number)
        left[place] = False
        disclosed = ask(pool[place])
        if disclosed is None:
            return received, number
        for face, score in disclosed.items():
            one = received.setdefault(face, Heard())
            one.probes.append(pool[place])
            one.scores.append(score)
    return received, count


def _nearest(pool: np.ndarray, left: np.ndarray, received: dict[str, Heard], number: int) -> int:
    faces = list(received)
    wanted = received[faces[number % len(faces)]].mean.astype(np.float32)
    return int(np.argmax(np.where(left, pool @ wanted, -2)))


def climb(
    ask: Ask, people: Population, owner: np.ndarray, begin: np.ndarray, *, at: float, often: float, count: int
) -> tuple[float, Heard, int]:
    """Move made-up probes about a boundary between two answers, and go where the higher one is given.

    `begin` are pictures that matched, `at` is the boundary's cosine, `often` how many standard deviations inside it
    the probes lie. Returns how near the best vector came, what was told, and how many were answered.
    """
    received, sent, refused = Heard(), 0, False

    def tell(probe: np.ndarray) -> float:
        nonlocal sent, refused
        disclosed = ask(probe.astype(np.float32))
        refused = disclosed is None
        sent += not refused
        score = max((disclosed or {}).values(), default=0.0)
        if score:
            received.probes.append(probe)
            received.scores.append(score)
        return score

    for picture in begin:
        tell(picture)
    best = unit(begin.astype(np.float64).sum(axis=0))
    while sent < count and not refused:
        directions, answers = [], []
        for aside in people.strangers(min(100, count - sent)).astype(np.float64):
            direction = unit(aside - (aside @ best) * best)
            answers.append(tell(mixed(best, direction, float(best @ owner), at, often)))
            directions.append(direction)
            if refused:
                break
        high = np.array(answers) >= np.floor(float(SCALE.score(at)) + 1e-6)
        if 0 < high.sum() < len(high):
            step = unit((high - high.mean()) @ np.array(directions))
            best = max((unit(best + size * step) for size in np.linspace(0, 1.5, 31)), key=lambda one: one @ owner)
    return max(float(best @ owner), received.recovered(owner)), received, sent


def earning(ask: Ask) -> Ask:
    """Before each third question, send what is known of the face by then, to have it taken for its owner."""
    matched: list[np.ndarray] = []
    sent = 0

    def earned(probe: np.ndarray) -> dict[str, float] | None:
        nonlocal sent
        sent += 1
        if matched and sent % 3 == 0:
            ask(unit(np.sum(matched, axis=0)).astype(np.float32))
        disclosed = ask(probe)
        if disclosed:
            matched.append(probe)
        return disclosed

    return earned


def mixed(best: np.ndarray, direction: np.ndarray, nearness: float, at: float, often: float) -> np.ndarray:
    """Mix a direction into the best vector so that the boundary lies so many standard deviations below the mixture."""
    deviation = often * np.sqrt(1 - nearness**2) / np.sqrt(120)
    radius = np.hypot(nearness, deviation)
    angle = np.arccos(min(1.0, at / radius)) - np.arctan2(deviation, nearness)
    angle = min(1.4, max(0.15, angle))
    return np.asarray(np.cos(angle) * best + np.sin(angle) * direction)
