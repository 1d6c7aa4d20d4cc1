"""A liveness challenge: a moving head passes; a still, rotated, foreign or repeated picture does not."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache

import numpy as np
import pytest
from django.utils import timezone

from collections_app import tasks
from collections_app.errors import ChallengeUnusable, ImageRefused, InvalidRequest
from collections_app.models import LivenessChallenge, SeenFrame
from collections_app.operations import challenges
from recognition.results import Doubt, Move
from tenants.access import Scope, system
from tenants.errors import ScopeMissing, TooManyRequests
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.make import blank, encoded
from tests.motion import nearer, rotated_print, straight, turned

Frames = Sequence[bytes]
_TURN = 32  # degrees
_MOVES = [Move.LEFT, Move.CLOSER]


@cache
def frame(name: str, move: Move | None = None, how: Callable[..., np.ndarray] = turned) -> bytes:
    """A picture of the person, straight or after a move that is made in this way."""
    pixels = straight(name)
    if move is Move.CLOSER:
        pixels = nearer(pixels, 1.35)
    elif move:
        pixels = how(pixels, _TURN if move is Move.LEFT else -_TURN)
    return encoded(pixels, "PNG")


def frames(name: str, moves: Sequence[Move] = _MOVES, how: Callable[..., np.ndarray] = turned) -> list[bytes]:
    return [frame(name), *(frame(name, move, how) for move in moves)]


def answered(
    customer: Customer, sent: Frames, moves: Sequence[Move] = _MOVES, late: timedelta = timedelta(0)
) -> challenges.ChallengeResult:
    """The result of a challenge with these moves."""
    asked = challenges.start_challenge(customer.caller)
    own = LivenessChallenge.objects.of(customer.tenant).filter(pk=asked.pk)
    own.update(moves=list(moves), expires_at=asked.expires_at - late)
    return challenges.answer_challenge(customer.caller, challenge=asked.uuid, frames=sent)


@pytest.mark.parametrize("moves", [[Move.LEFT, Move.CLOSER], [Move.RIGHT, Move.LEFT]], ids=str)
@pytest.mark.parametrize("name", ["sunak", "macron_2025"])
def test_a_head_that_moves_as_asked_passes(acme: Customer, name: str, moves: list[Move]) -> None:
    result = answered(acme, frames(name, moves), moves)
    assert (result.passed, result.doubts) == (True, ())
    entry = AuditEntry.objects.of(acme.tenant).get(action="liveness.challenged")
    assert entry.facts == {"passed": True, "doubts": []}


def test_a_still_picture_fails(acme: Customer) -> None:
    """Also if it is encoded anew for each frame."""
    again = [encoded(np.asarray(straight("sunak") // step * step, np.uint8), "PNG") for step in (1, 2, 3)]
    result = answered(acme, again)
    assert {Doubt.NOT_TURNED, Doubt.NOT_CLOSER, Doubt.FLAT} <= set(result.doubts)


@pytest.mark.parametrize("name", ["sunak", "macron_2025"])
def test_a_rotated_print_fails(acme: Customer, name: str) -> None:
    result = answered(acme, frames(name, how=rotated_print))
    assert {Doubt.NOT_TURNED, Doubt.FLAT} <= set(result.doubts)


def test_another_move_than_asked_fails(acme: Customer) -> None:
    assert Doubt.NOT_TURNED in answered(acme, frames("sunak", [Move.RIGHT, Move.CLOSER])).doubts
    assert Doubt.NOT_CLOSER in answered(acme, frames("sunak", [Move.LEFT, Move.LEFT])).doubts


def test_a_clip_of_another_challenge_fails(acme: Customer) -> None:
    clip = frames("sunak")
    assert answered(acme, clip).passed
    assert answered(acme, clip).doubts == (Doubt.REPLAYED,)
    assert Doubt.NOT_TURNED in answered(acme, clip, [Move.RIGHT, Move.CLOSER]).doubts
    SeenFrame.objects.of(acme.tenant).update(at=timezone.now() - challenges.KEPT - timedelta(hours=1))
    tasks.purge_due.run()
    assert answered(acme, clip).passed


def test_two_people_fail(acme: Customer) -> None:
    result = answered(acme, [frame("sunak"), frame("obama", Move.LEFT), frame("sunak", Move.CLOSER)])
    assert Doubt.OTHER_PERSON in result.doubts


def test_a_challenge_is_answered_once_in_time_by_its_tenant(acme: Customer, globex: Customer) -> None:
    asked, sent = challenges.start_challenge(acme.caller), [blank()] * 3
    assert asked.expires_at - timezone.now() <= timedelta(seconds=challenges.SECONDS)
    with pytest.raises(ChallengeUnusable, match="no such"):
        challenges.answer_challenge(globex.caller, challenge=asked.uuid, frames=sent)
    with pytest.raises(InvalidRequest):
        challenges.answer_challenge(acme.caller, challenge=asked.uuid, frames=sent[:2])
    with pytest.raises(ImageRefused):
        challenges.answer_challenge(acme.caller, challenge=asked.uuid, frames=sent)
    with pytest.raises(ChallengeUnusable, match="before"):
        challenges.answer_challenge(acme.caller, challenge=asked.uuid, frames=sent)
    with pytest.raises(ChallengeUnusable, match="expired"):
        answered(acme, sent, late=timedelta(seconds=challenges.SECONDS + 1))


def test_open_challenges_are_limited_and_need_the_scope(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(challenges, "_MOST_OPEN", 2)
    seen = {tuple(challenges.start_challenge(acme.caller).moves) for _ in range(2)}
    assert all(set(moves) & {Move.LEFT, Move.RIGHT} for moves in seen)
    with pytest.raises(TooManyRequests):
        challenges.start_challenge(acme.caller)
    with pytest.raises(ScopeMissing):
        challenges.start_challenge(system(acme.tenant, "tests", [Scope.READ]))
