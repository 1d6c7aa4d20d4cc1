"""Enrolment: from an image to faces that the next search finds.

Pixels first, rows second: the pipeline has run before the transaction opens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
from django.db import transaction
from django.db.models import Sum

from collections_app import storage
from collections_app.errors import CollectionDeleted, CollectionFull, DuplicateFace
from collections_app.models import Collection, Face, Person, new_uuid
from collections_app.operations.collections import find
from recognition import pipeline
from recognition.decode import DEFAULT_LIMITS, ImageLimits
from recognition.errors import LowQuality, NoFace, SeveralFaces, SpoofSuspected
from recognition.index import face_index
from recognition.models import Gallery
from recognition.results import Analysis, DetectedFace
from tenants import audit
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.scope import random_id

_CROP_MARGIN = 0.3
_CROP_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """What the caller says of a person. `reference` is the caller's own id; empty: a new person with an id of ours."""

    reference: str = ""
    external_id: str = ""
    name: str = ""
    age: int | None = None
    gender: int = Person.Gender.UNKNOWN
    listing: int = Person.Listing.GENERAL
    note: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Faces that were stored, in the order of `added`, and those that were seen in the image and not stored."""

    collection: Collection
    image: str
    faces: tuple[Face, ...]
    added: tuple[DetectedFace, ...]
    not_added: tuple[DetectedFace, ...]


@dataclass(frozen=True, slots=True)
class _Shot:
    """An image, what was seen in it, and which of the faces are to be stored."""

    content: bytes
    seen: Analysis
    chosen: tuple[DetectedFace, ...]
    image: str
    stored: str = ""


def enrol_face(
    caller: Caller,
    *,
    collection: str,
    image: bytes,
    person: PersonDetails,
    largest: bool = False,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the one face of the image, or with `largest` the largest of several, as a face of the person.

    Raises:
        NoFace, SeveralFaces, SpoofSuspected, LowQuality, DuplicateFace: the image or the policy said no.
        CollectionFull, QuotaExceeded: there is no room.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    seen = pipeline.analyse(image, pack=home.pack, limits=limits, embed=1, liveness=home.liveness_on_enrol)
    if not seen.faces:
        raise NoFace
    if len(seen.faces) > 1 and not largest:
        raise SeveralFaces(len(seen.faces))
    _check_policy(home, seen.faces[:1])
    shot = _Shot(image, seen, seen.faces[:1], new_uuid())
    return _store(caller, home, shot, person=person)


def enrol_faces(
    caller: Caller,
    *,
    collection: str,
    image: bytes,
    limit: int,
    label: str = "",
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the `limit` largest faces of the image, each as a new person, all or none; an image without one is no error.

    Raises:
        SpoofSuspected, LowQuality, DuplicateFace: the policy said no to one of them.
        CollectionFull, QuotaExceeded: there is no room for them.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    seen = pipeline.analyse(image, pack=home.pack, limits=limits, embed=limit, liveness=home.liveness_on_enrol)
    chosen = seen.faces[:limit]
    _check_policy(home, chosen)
    return _store(caller, home, _Shot(image, seen, chosen, new_uuid()), label=label)


def _check_policy(home: Collection, faces: Sequence[DetectedFace]) -> None:
    for face in faces:
        if home.liveness_on_enrol and face.liveness and face.liveness.score < home.liveness_threshold:
            raise SpoofSuspected(score=face.liveness.score, threshold=home.liveness_threshold)
        reasons = face.quality.failed(home.quality_gate)
        if reasons:
            raise LowQuality(reasons)


def _store(
    caller: Caller, home: Collection, shot: _Shot, *, person: PersonDetails | None = None, label: str = ""
) -> Enrolment:
    """Write everything in one transaction; a kept image is written before it and removed if it fails."""
    stored = _keep_image(home, shot)
    try:
        with transaction.atomic():
            _admit(home, shot.chosen)
            ids = [random_id() for _ in shot.chosen]
            first = face_index().add(home.gallery, {i: f.embedding for i, f in zip(ids, shot.chosen, strict=True)})
            faces = [
                _face(caller, home, shot, detected, pk=pk, number=first + place, label=label, stored_image=stored)
                for place, (pk, detected) in enumerate(zip(ids, shot.chosen, strict=True))
            ]
            for face in faces:
                face.person = _person(home, person or PersonDetails())
            Face.everywhere.bulk_create(faces)
            audit.record(caller, "face.enrolled", home, faces=[face.uuid for face in faces], image=shot.image)
    except BaseException:
        if stored:
            storage.erase(stored)
        raise
    return Enrolment(home, shot.image, tuple(faces), shot.chosen, shot.seen.faces[len(shot.chosen) :])


def _admit(home: Collection, faces: Sequence[DetectedFace]) -> None:
    """Lock the gallery, then look again at everything that may have changed since the pipeline began."""
    tenant = home.tenant
    gallery = Gallery.objects.of(tenant).select_for_update(no_key=True).filter(pk=home.pk).first()
    state = Collection.objects.of(tenant).values_list("state", flat=True).get(pk=home.pk)
    if gallery is None or state == Collection.State.DELETED:
        raise CollectionDeleted(home.name)
    if gallery.size + len(faces) > home.face_limit:
        raise CollectionFull(home.face_limit)
    if tenant.face_quota is not None:
        total = Gallery.objects.of(tenant).aggregate(total=Sum("size"))["total"] or 0
        if total + len(faces) > tenant.face_quota:
            raise QuotaExceeded("faces", tenant.face_quota)
    if home.duplicates == Collection.Duplicates.REFUSE:
        for face in faces:
            for near in face_index().search(home.gallery, face.embedding, limit=1, floor=home.similarity_threshold):
                uuid = home.faces.values_list("uuid", flat=True).get(pk=near.face_id)
                raise DuplicateFace(uuid, near.cosine)


def _person(home: Collection, details: PersonDetails) -> Person:
    """Find the person by reference, or make them; what the caller says of them now replaces what was said before."""
    said = {name: getattr(details, name) for name in ("external_id", "name", "age", "gender", "listing", "note")}
    if not details.reference:
        pk = random_id()
        return Person.everywhere.create(id=pk, tenant=home.tenant, collection=home, reference=str(pk), **said)
    person, _ = Person.everywhere.update_or_create(
        tenant=home.tenant, collection=home, reference=details.reference, defaults=said
    )
    return person


def _face(  # noqa: PLR0913 -- the one place that spells out a face's row
    caller: Caller,
    home: Collection,
    shot: _Shot,
    detected: DetectedFace,
    *,
    pk: int,
    number: int,
    label: str,
    stored_image: str,
) -> Face:
    return Face(
        id=pk,
        tenant=home.tenant,
        collection=home,
        number=number,
        image=shot.image,
        label=label,
        image_width=shot.seen.width,
        image_height=shot.seen.height,
        box_x=detected.box.x,
        box_y=detected.box.y,
        box_width=detected.box.width,
        box_height=detected.box.height,
        landmarks=[[float(x), float(y)] for x, y in detected.landmarks],
        confidence=detected.confidence,
        yaw=detected.pose.yaw,
        pitch=detected.pose.pitch,
        roll=detected.pose.roll,
        sharpness=detected.quality.sharpness,
        brightness=detected.quality.brightness,
        quality_reasons=list(detected.quality.reasons),
        liveness=detected.liveness.score if detected.liveness else None,
        actor_kind=caller.kind,
        actor_id=caller.id,
        via=caller.via,
        stored_image=stored_image,
    )


def _keep_image(home: Collection, shot: _Shot) -> str:
    """Store what the policy keeps of the image; return its name, empty for nothing."""
    if home.images == Collection.Images.NONE or not shot.chosen:
        return ""
    content = shot.content if home.images == Collection.Images.ORIGINAL else _crop(shot)
    return storage.keep(home.tenant, shot.image, content)


def _crop(shot: _Shot) -> bytes:
    """Return the part of the image that holds the chosen faces, with a margin, as JPEG."""
    boxes = [face.box for face in shot.chosen]
    margin = _CROP_MARGIN * max(max(box.width, box.height) for box in boxes)
    left = max(0, int(min(box.x for box in boxes) - margin))
    top = max(0, int(min(box.y for box in boxes) - margin))
    right = int(max(box.x + box.width for box in boxes) + margin)
    bottom = int(max(box.y + box.height for box in boxes) + margin)
    _, jpeg = cv2.imencode(".jpg", shot.seen.pixels[top:bottom, left:right], [cv2.IMWRITE_JPEG_QUALITY, _CROP_QUALITY])
    return jpeg.tobytes()
