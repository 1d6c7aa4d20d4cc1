"""Liveness challenges: a person is asked to move, and the pictures must show that.

A challenge raises the bar above what one picture can tell; it is not certified. It is answered once, within half a
minute. The moves are random, so that a clip of another challenge mostly shows other ones; a picture that was sent
before is recognised by its digest.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations

from django.db import IntegrityError, transaction
from django.utils import timezone

from collections_app.errors import ChallengeUnusable, InvalidRequest
from collections_app.examine import analyse, naming, require_face
from collections_app.models import LivenessChallenge, SeenFrame
from recognition import packs
from recognition.pipeline import motion
from recognition.results import Analysis, Doubt, Move, Verdict
from tenants import audit
from tenants.access import Caller, Scope
from tenants.errors import TooManyRequests

SECONDS = 30
KEPT = timedelta(days=30)  # digests of pictures: after that a picture could be sent again
_MOST_OPEN = 50  # unanswered challenges of one caller: asking until the moves suit a clip must not be for free
_SEQUENCES = tuple(permutations(Move, 2))  # two different moves, so at least one turn: only a turn shows depth


@dataclass(frozen=True, slots=True)
class ChallengeResult:
    """Whether the pictures show a live person who moved as asked, and if not, why."""

    challenge: str
    moves: tuple[Move, ...]
    doubts: tuple[Doubt, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.doubts


def start_challenge(caller: Caller) -> LivenessChallenge:
    """Ask for two random moves.

    Raises:
        TooManyRequests: the caller has too many unanswered challenges.
    """
    caller.require(Scope.SEARCH)
    now, asked_by = timezone.now(), f"{caller.kind}:{caller.id}"
    unanswered = LivenessChallenge.objects.of(caller.tenant).filter(asked_by=asked_by, answered_at=None)
    if unanswered.filter(expires_at__gt=now).count() >= _MOST_OPEN:
        raise TooManyRequests(SECONDS)
    return LivenessChallenge.unscoped.create(
        tenant=caller.tenant,
        asked_by=asked_by,
        moves=list(secrets.choice(_SEQUENCES)),
        expires_at=now + timedelta(seconds=SECONDS),
    )


def answer_challenge(caller: Caller, *, challenge: str, frames: Sequence[bytes]) -> ChallengeResult:
    """Judge pictures of one person: looking straight, then after each move. The challenge is used up by that.

    Raises:
        ChallengeUnusable: the tenant has none with this id, or it was answered, or it has expired.
        InvalidRequest: not one picture more than moves.
        ImageRefused: a picture cannot be used, or does not show one face.
    """
    caller.require(Scope.SEARCH)
    asked = _claimed(caller, challenge, len(frames))
    moves = tuple(Move(move) for move in asked.moves)
    seen = []
    for place, frame in enumerate(frames):
        with naming(str(place)):
            found = analyse(caller, frame, embed=1, liveness=1)
            require_face(found, only=True)
            seen.append(found)
    doubts = [*_of_each(seen), *_of_moves(moves, seen)]
    with transaction.atomic():
        if not _new(caller, seen):
            doubts.append(Doubt.REPLAYED)
        result = ChallengeResult(asked.uuid, moves, tuple(dict.fromkeys(doubts)))
        audit.record(caller, "liveness.challenged", asked, passed=result.passed, doubts=list(result.doubts))
    return result


def _claimed(caller: Caller, challenge: str, pictures: int) -> LivenessChallenge:
    """Use the challenge up and return it."""
    own = LivenessChallenge.objects.of(caller.tenant).filter(uuid=challenge)
    asked: LivenessChallenge | None = own.first()
    now = timezone.now()
    if asked is None:
        raise ChallengeUnusable("there is no such challenge")
    if pictures != len(asked.moves) + 1:
        problem = f"send {len(asked.moves) + 1} pictures: looking straight, then after each move"
        raise InvalidRequest("frames", problem)
    if not own.filter(answered_at=None).update(answered_at=now):
        raise ChallengeUnusable("it was answered before")
    if asked.expires_at <= now:
        raise ChallengeUnusable("it has expired")
    return asked


def _of_each(seen: Sequence[Analysis]) -> list[Doubt]:
    """Return what passive liveness says; a close-up of which nothing can be told is no doubt."""
    threshold = packs.get(packs.DEFAULT).liveness_threshold
    verdicts = [image.faces[0].liveness.verdict(threshold) for image in seen if image.faces[0].liveness]
    return [Doubt.PICTURE] if Verdict.SPOOF in verdicts or Verdict.LIVE not in verdicts else []


def _of_moves(moves: Sequence[Move], seen: Sequence[Analysis]) -> list[Doubt]:
    same = motion.SAME_PERSON.on(packs.get(packs.DEFAULT).similarity)
    first, *after = (image.faces[0] for image in seen)
    return [doubt for move, face in zip(moves, after, strict=True) for doubt in motion.doubts(move, first, face, same)]


def _new(caller: Caller, seen: Sequence[Analysis]) -> bool:
    """Remember the pictures; return whether the tenant was sent none of them before."""
    digests = [hashlib.sha256(image.pixels.tobytes()).hexdigest() for image in seen]
    try:
        with transaction.atomic():
            SeenFrame.unscoped.bulk_create(SeenFrame(tenant=caller.tenant, digest=digest) for digest in digests)
    except IntegrityError:
        return False
    return True
