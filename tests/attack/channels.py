"""The other ways in which a key of the usual scopes learns of an enrolled face, each as a question with a template.

Each way of DECOYS asks what comes first beside pictures that the caller enrolled: the face, or a picture as near to the
probe as the face is supposed to be. Which one it is would be a bit of the template, whatever is told.

The operations run whole: only the pipeline is replaced, so that the bytes of a template are the picture that shows it.
What a key enrols for a question it deletes after the answer.

Longer than 300 lines: one list of ways, each in a few lines.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from unittest import mock

import numpy as np

from collections_app import health_report
from collections_app.errors import DuplicateFace, ProbingRefused
from collections_app.models import Face, NearMatch
from collections_app.operations.collections import update_collection
from collections_app.operations.compare import verify_person
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_faces
from collections_app.operations.health import examine, health
from collections_app.operations.merge_split import neighbours, portrait
from collections_app.operations.named_people import assign_faces
from collections_app.operations.search import (
    match_person,
    search_by_face,
    search_by_image,
    search_by_person,
    search_people_by_image,
    search_with_decision,
)
from recognition.results import Analysis, Box, DetectedFace, Pose, Quality
from recognition.similarity import Threshold
from tenants import keys
from tenants.access import USUAL_SCOPES, Caller, caller_for_key, system
from tests.attack.attackers import Ask
from tests.attack.templates import unit
from tests.conftest import Customer

Order: TypeAlias = Callable[[np.ndarray], object]
"""Sends a template; returns what is told of which comes first."""
WHERE = "people"
MOST = 4096  # matches that a search may return


@contextmanager
def templates_as_pictures() -> Iterator[None]:
    """Let the pipeline see in bytes the one face whose template they are."""
    with mock.patch("recognition.pipeline.analyse", _face_of):
        yield


def _face_of(content: bytes, **_: object) -> Analysis:
    template = np.frombuffer(content, dtype=np.float32)
    quality = Quality(sharpness=100, brightness=120, face_size=200)
    face = DetectedFace(Box(0, 0, 200, 200), np.zeros((5, 2), np.float32), 1, Pose(0, 0, 0), quality, None, template)
    return Analysis(200, 200, (face,), np.zeros((1, 1, 3), np.uint8))


def usual_key(customer: Customer) -> Caller:
    """Make a key as `issue_key` does."""
    issued = keys.issue(customer.tenant, name="prober", scopes=USUAL_SCOPES)
    return caller_for_key(*keys.split(issued.token), via="tests")


def enrol(caller: Caller, template: np.ndarray, person: str = "") -> Face:
    """Enrol a template, as somebody new or as the person of that reference."""
    details = PersonDetails(reference=person)
    return enrol_face(caller, collection=WHERE, image=template.astype(np.float32).tobytes(), person=details).faces[0]


@contextmanager
def enrolled(caller: Caller, templates: Sequence[np.ndarray], person: str = "") -> Iterator[list[Face]]:
    """Enrol templates for a question, and delete them after the answer."""
    faces = [enrol(caller, template, person) for template in templates]
    try:
        yield faces
    finally:
        delete_faces(caller, collection=WHERE, faces=[face.uuid for face in faces])


def by_picture(caller: Caller) -> Ask:
    """Search with a picture."""

    def ask(probe: np.ndarray) -> dict[str, float] | None:
        try:
            found = search_by_image(caller, collection=WHERE, image=probe.tobytes(), limit=MOST)
        except ProbingRefused:
            return None
        return {match.face.uuid: match.score for match in found.matches}

    return ask


def by_duplicate(caller: Caller) -> Ask:
    """Enrol in a collection that refuses duplicates: a refusal names the face, and its score is the threshold's."""

    def ask(probe: np.ndarray) -> dict[str, float] | None:
        try:
            with enrolled(caller, [probe]):
                return {}
        except DuplicateFace as refused:
            return {refused.face: 85.0}
        except ProbingRefused:
            return None

    return ask


def by_enrolled_face(caller: Caller) -> Ask:
    """Enrol the probe and search by it."""
    return _enrolling(caller, lambda face: searched_by(caller, face))


def by_neighbours(caller: Caller) -> Ask:
    """Enrol the probe and look at the faces beside it, as somebody does who merges people."""
    return _enrolling(caller, lambda face: _near(caller, face))


def by_health(caller: Caller) -> Ask:
    """Enrol the probe and have the collection examined: people who look alike are named, with a score."""
    return _enrolling(caller, lambda face: examined(caller, face))


def by_portrait(caller: Caller, person: str) -> Ask:
    """Enrol the probe as one more picture of the person, and look at how alike their pictures are."""

    def compared(face: Face) -> dict[str, float]:
        seen = portrait(caller, collection=WHERE, person=face.person_id)
        place = next(place for place, one in enumerate(seen.faces) if one.face == face)
        row = zip(seen.faces, seen.mutual[place], strict=False)
        return {one.face.uuid: disclosed.score or 0.0 for one, disclosed in row if disclosed.match and one.face != face}

    return _enrolling(caller, compared, person)


def searched_by(caller: Caller, face: Face) -> dict[str, float]:
    """Search by an enrolled face."""
    found = search_by_face(caller, collection=WHERE, face=face.uuid, limit=MOST)
    return {match.face.uuid: match.score for match in found.matches}


def examined(caller: Caller, face: Face) -> dict[str, float]:
    """Have the collection examined; return the faces of other people that are named beside this one."""
    health_report.make(examine(caller, collection=WHERE))
    pairs = [(pair.first, pair.second, pair.score or 0.0) for pair in health(caller, collection=WHERE).duplicates]
    beside = {second.uuid: score for first, second, score in pairs if first == face}
    return beside | {first.uuid: score for first, second, score in pairs if second == face}


def _near(caller: Caller, face: Face) -> dict[str, float]:
    return {one.face.uuid: one.score for one in neighbours(caller, collection=WHERE, face=face.uuid) if one.match}


def _enrolling(caller: Caller, question: Callable[[Face], dict[str, float]], person: str = "") -> Ask:
    """Enrol the probe, ask about its face, delete it."""

    def ask(probe: np.ndarray) -> dict[str, float] | None:
        with enrolled(caller, [probe], person) as (face,):
            try:
                return question(face)
            except ProbingRefused:
                return None

    return ask


@contextmanager
def first_of_all(caller: Caller, _: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Search beside a decoy."""
    with enrolled(caller, [decoy]):
        yield lambda probe: next(iter(by_picture(caller)(probe) or {}), "nobody")


@contextmanager
def first_in_the_limit(caller: Caller, _: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Search for the best beside as many decoys as push the face out of what is read."""
    with enrolled(caller, [decoy] * 8):
        yield lambda probe: [
            match.face.uuid
            for match in search_by_image(caller, collection=WHERE, image=probe.tobytes(), limit=1).matches
        ]


@contextmanager
def first_of_a_face(caller: Caller, face: Face, _: np.ndarray) -> Iterator[Order]:
    """Search by the face for the best of two pictures: is the probe nearer to it than the first probe?"""
    first: list[Face] = []

    def nearest(probe: np.ndarray) -> bool:
        if not first:
            first.append(enrol(caller, probe))
        with enrolled(caller, [probe]):
            found = search_by_face(caller, collection=WHERE, face=face.uuid, limit=1).matches
        return [match.face for match in found] == first

    yield nearest


@contextmanager
def first_neighbour(caller: Caller, _: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Look at the nearest neighbour of an enrolled probe."""
    with enrolled(caller, [decoy]):

        def nearest(probe: np.ndarray) -> list[str]:
            with enrolled(caller, [probe]) as (face,):
                return [one.face.uuid for one in neighbours(caller, collection=WHERE, face=face.uuid, limit=1)]

        yield nearest


@contextmanager
def first_of_a_person(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Verify the person, as whom the decoy is enrolled too: the best face is named."""
    person = face.person.reference
    with enrolled(caller, [decoy], person):
        yield lambda probe: verify_person(caller, collection=WHERE, person=person, image=probe.tobytes()).face.uuid


@contextmanager
def first_of_two_pictures(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Ask for the person whom the best of two pictures shows, the second of which shows a decoy as near."""
    aside = np.random.default_rng(4).standard_normal(decoy.shape)
    near = 0.7
    second = near * decoy + np.sqrt(1 - near**2) * unit(aside - (aside @ decoy) * decoy)
    pictures = second.astype(np.float32).tobytes()

    def better(probe: np.ndarray) -> int:
        found = match_person(caller, collection=WHERE, images=[probe.tobytes(), pictures])
        return found.record.person.pk if found else 0

    with enrolled(caller, [decoy]):
        yield better


@contextmanager
def first_duplicate(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Enrol the probe where duplicates are refused, of which the person has two."""
    with enrolled(caller, [decoy], face.person.reference):
        update_collection(system(caller.tenant, "tests"), collection=WHERE, duplicates="refuse")
        yield by_duplicate(caller)


@contextmanager
def first_pair(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Have the collection examined: of the person's two faces, which is named beside the probe?"""
    with enrolled(caller, [decoy], face.person.reference):

        def named(probe: np.ndarray) -> list[str]:
            with enrolled(caller, [probe]) as (one,):
                return list(examined(caller, one))

        yield named


@contextmanager
def first_of_named_people(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Search for people, one of whom has the face and the decoy: one of the two stands for them."""
    with enrolled(caller, [decoy], face.person.reference):

        def told(probe: np.ndarray) -> list[tuple[str, float]]:
            found = search_people_by_image(caller, collection=WHERE, image=probe.tobytes(), limit=5)
            return [(match.face.uuid, match.score) for match in found.matches]

        yield told


@contextmanager
def first_beside_a_decision(caller: Caller, _: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Search with a decision: does the face, as a second person, come before somebody who has the decoy twice?"""
    with enrolled(caller, [decoy] * 2, "mine"):

        def told(probe: np.ndarray) -> list[object]:
            found = search_with_decision(caller, collection=WHERE, image=probe.tobytes(), limit=1)
            return [found.decision and found.decision.next, [match.face.uuid for match in found.matches]]

        yield told


@contextmanager
def first_to_be_assigned(caller: Caller, face: Face, decoy: np.ndarray) -> Iterator[Order]:
    """Assign enrolled probes to the person, as whom the decoy is enrolled too, at a threshold that none reaches.

    Half of the face's budget is used, so that its own score would not be told.
    """
    person, never = face.person.reference, Threshold(100)
    NearMatch.unscoped.create(tenant=face.tenant, face=face, actor_id="others", cosine=0.5, cost=30, spent=30)
    with enrolled(caller, [decoy], person):

        def told(probe: np.ndarray) -> list[float | None]:
            with enrolled(caller, [probe]) as (mine,):
                given: dict[str, Any] = {
                    "collection": WHERE,
                    "reference": person,
                    "faces": [mine.uuid],
                    "threshold": never,
                }
                return list(assign_faces(caller, **given).unlike.values())

        yield told


DECOYS = {
    way.__name__: way
    for way in (
        first_of_all,
        first_in_the_limit,
        first_of_a_face,
        first_neighbour,
        first_of_a_person,
        first_of_named_people,
        first_beside_a_decision,
        first_to_be_assigned,
        first_of_two_pictures,
        first_duplicate,
        first_pair,
    )
}


def least_alike(caller: Caller, person: str, mine: Sequence[Face]) -> Iterator[Face]:
    """Have the collection examined: yield which of my pictures are named as least like the person's face.

    They were enrolled under the person's reference; each is deleted, so that the next is named.
    """
    own = {face.pk for face in mine}
    while True:
        health_report.make(examine(caller, collection=WHERE))
        try:
            pairs = health(caller, collection=WHERE).mixed or ()
        except ProbingRefused:
            return
        named = [face for pair in pairs for face in (pair.first, pair.second) if face.person.reference == person]
        chosen = [face for face in named if face.pk in own]
        if len(chosen) != 1:  # none, or two of mine, which say nothing of the person
            return
        yield chosen[0]
        delete_faces(caller, collection=WHERE, faces=[chosen[0].uuid])


def mixed_with(caller: Caller, person: str, mine: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Enrol my picture as the person, and ask whether somebody enrolled as a probe is found by the person."""

    def found(probe: np.ndarray) -> bool:
        with enrolled(caller, [mine], person), enrolled(caller, [probe], "probe"):
            return bool(search_by_person(caller, collection=WHERE, reference=person, limit=5).matches)

    return found
