"""Enrolment: from an image to faces that the next search finds.

Pixels first, rows second: the pipeline has run before the transaction opens.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
from django.db import transaction
from django.db.models import Sum

from collections_app import erasure, storage
from collections_app.errors import CollectionFull, ConsentRequired, DuplicateFace
from collections_app.examine import Examined, Purpose, examine, naming
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face, Person
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.data_subject import PersonDetails, known_person, save_person
from collections_app.operations.disclosure import disclosure
from collections_app.operations.do_not_enrol import refuse_barred
from collections_app.operations.faces import find_face
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.index import face_index
from recognition.models import Gallery
from recognition.results import DetectedFace
from tenants import audit, events
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.scope import random_id

_CROP_MARGIN = 0.3
_CROP_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Faces that were stored, in the order of `added`, and those that were seen in the image and not stored."""

    collection: Collection
    image: str
    faces: tuple[Face, ...]
    added: tuple[DetectedFace, ...]
    not_added: tuple[DetectedFace, ...]


@dataclass(frozen=True, slots=True)
class _Stored:
    """What was kept of an image: the file's name, and the part it shows (left, top, width, height)."""

    name: str
    frame: tuple[int, ...]


_NOTHING = _Stored("", ())


def enrol_face(
    caller: Caller,
    *,
    collection: str,
    image: bytes | ImageUrl,
    person: PersonDetails,
    largest: bool = False,
    consent: str = "",
    settle: Callable[[Enrolment], None] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the one face of the image, or with `largest` the largest of several, as a face of the person.

    `consent` is the caller's reference to the person's consent. `settle` is called in the transaction of the enrolment,
    with what was enrolled.

    Raises:
        NoFace, SeveralFaces: the image does not show one face.
        SpoofSuspected, LowQuality, DuplicateFace, ConsentRequired, EnrolmentBarred: the policy said no.
        ProbingRefused: the caller was told too much of one face.
        CollectionFull, QuotaExceeded: there is no room.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_asked(caller, collection, consent)
    refuse_barred(collection, person.reference)
    examined = examine(caller, collection, image, purpose=Purpose.ENROL, largest=largest, limits=limits)
    return _store(caller, collection, [examined], person=person, consent=consent, settle=settle)[0]


def enrol_person(
    caller: Caller,
    *,
    collection: str | Alias,
    images: Sequence[bytes],
    person: PersonDetails,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Person:
    """Store the largest face of each of one or more images as the person's faces, all or none.

    Somebody known by that reference is replaced: their faces are erased, each with a receipt, in the transaction in
    which the new ones come, and at no time are they unknown.

    Raises:
        ImageRefused: one of the images shows no face, is none, or the policy said no to it.
        DuplicateFace, EnrolmentBarred: the policy said no.
        CollectionFull, QuotaExceeded: there is no room.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_asked(caller, collection, "")
    refuse_barred(collection, person.reference)
    examined = []
    for place, image in enumerate(images):
        with naming(str(place)):
            examined.append(examine(caller, collection, image, purpose=Purpose.ENROL, largest=True, limits=limits))
    return _store(caller, collection, examined, person=person, replace=True)[0].faces[0].person


def enrol_faces(
    caller: Caller,
    *,
    collection: str,
    image: bytes | ImageUrl,
    limit: int,
    label: str = "",
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the `limit` largest faces, each as a new person, all or none; an image without one is no error.

    Raises:
        SpoofSuspected, LowQuality, DuplicateFace: the policy said no to one of them.
        CollectionFull, QuotaExceeded: there is no room for them.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_asked(caller, collection, "")
    examined = examine(caller, collection, image, purpose=Purpose.ENROL, at_most=limit, limits=limits)
    return _store(caller, collection, [examined], label=label)[0]


def _check_asked(caller: Caller, collection: Collection, consent: str) -> None:
    """Refuse before anything of the image is looked at."""
    if collection.consent_required and not consent:
        raise ConsentRequired
    if collection.duplicates == Collection.Duplicates.REFUSE:  # which tells that a face is there
        refuse_probing(caller)


def _store(
    caller: Caller,
    collection: Collection,
    images: Sequence[Examined],
    *,
    person: PersonDetails | None = None,
    label: str = "",
    replace: bool = False,
    consent: str = "",
    settle: Callable[[Enrolment], None] | None = None,
) -> list[Enrolment]:
    """Write everything in one transaction: all faces to the one person, or each to a new one; one answer an image.

    With `replace`, the faces that the person had are erased, each with a receipt. The refusal of a duplicate is an
    answer about a face, and is counted as one.
    """
    try:
        return _write(
            caller,
            collection,
            images,
            person=person,
            label=label,
            replace=replace,
            consent=consent,
            settle=settle,
        )
    except DuplicateFace as error:
        with transaction.atomic():
            disclose(
                caller, collection, [(find_face(collection, error.face), error.cosine)], disclosure(caller, collection)
            )
        raise


def _write(
    caller: Caller,
    collection: Collection,
    images: Sequence[Examined],
    *,
    person: PersonDetails | None,
    label: str,
    replace: bool,
    consent: str,
    settle: Callable[[Enrolment], None] | None,
) -> list[Enrolment]:
    """Write everything, in one transaction."""
    chosen = [face for image in images for face in image.faces]
    with _kept(collection, images) as stored, transaction.atomic():
        gallery = lock(collection)
        known = known_person(collection, person.reference) if person else None
        refuse_barred(collection, known.reference if known else person.reference if person else "")
        replaced = list(known.faces.all()) if known and replace else []
        _check_room(collection, gallery, len(chosen) - len(replaced))
        _check_duplicates(caller, collection, chosen, known)
        ids = [random_id() for _ in chosen]
        first = face_index().add(collection.gallery, {i: f.template for i, f in zip(ids, chosen, strict=True)})
        one = save_person(collection, person, known) if person else None
        numbered = iter(enumerate(ids, start=first))
        done = [
            _enrolment(caller, collection, image, numbered, label=label, stored=kept)
            for image, kept in zip(images, stored, strict=True)
        ]
        faces = [face for enrolment in done for face in enrolment.faces]
        for face in faces:
            face.person, face.consent = one or save_person(collection, PersonDetails()), consent
        Face.unscoped.bulk_create(faces)
        erased = erasure.erase_each(caller, collection, replaced)
        _tell(collection, faces)
        if settle:
            settle(done[0])
        facts = {"images": [image.id for image in images], "replaced": [face.uuid for face in replaced]}
        facts |= {"receipts": [gone.receipt.uuid for gone in erased]} if erased else {}
        audit.record(caller, "face.enrolled", collection, faces=[face.uuid for face in faces], **facts)
    for gone in erased:
        erasure.search_again(collection, gone)
    return done


def _enrolment(
    caller: Caller,
    collection: Collection,
    image: Examined,
    numbered: Iterator[tuple[int, int]],
    *,
    label: str,
    stored: _Stored,
) -> Enrolment:
    """Make the rows of an image's chosen faces, still without their people."""
    faces = [_face(caller, collection, image, seen, next(numbered), label=label, stored=stored) for seen in image.faces]
    return Enrolment(collection, image.id, tuple(faces), image.faces, image.analysis.faces[len(image.faces) :])


def _tell(collection: Collection, faces: Sequence[Face]) -> None:
    for face in faces:
        facts = {"face": face.uuid, "person": str(face.person_id)}
        events.emit(collection.tenant, events.Kind.FACE_ENROLLED, collection=collection.name, **facts)


def _check_room(collection: Collection, gallery: Gallery, more: int) -> None:
    if gallery.size + more > collection.face_limit:
        raise CollectionFull(collection.face_limit)
    quota = collection.tenant.face_quota
    if quota is not None:
        collection.tenant.lock()
        total = Gallery.objects.of(collection.tenant).aggregate(total=Sum("size"))["total"] or 0
        if total + more > quota:
            raise QuotaExceeded("faces", quota)


def _check_duplicates(
    caller: Caller, collection: Collection, faces: Sequence[DetectedFace], person: Person | None
) -> None:
    """Refuse a face that is in the collection under somebody else; `person` may be shown again."""
    if collection.duplicates != Collection.Duplicates.REFUSE:
        return
    own = set(person.faces.values_list("pk", flat=True)) if person else set()
    terms = disclosure(caller, collection)
    for face in faces:
        near = face_index().search(collection.gallery, face.template, limit=len(own) + 1, floor=terms.threshold)
        other = next((neighbour for neighbour in near if neighbour.face_id not in own), None)
        if other:
            raise DuplicateFace(collection.faces.values_list("uuid", flat=True).get(pk=other.face_id), other.cosine)


def _face(
    caller: Caller,
    collection: Collection,
    image: Examined,
    detected: DetectedFace,
    numbered: tuple[int, int],
    *,
    label: str,
    stored: _Stored,
) -> Face:
    number, pk = numbered
    return Face(
        id=pk,
        tenant=collection.tenant,
        collection=collection,
        number=number,
        image=image.id,
        label=label,
        image_width=image.analysis.width,
        image_height=image.analysis.height,
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
        stored_image=stored.name,
        stored_frame=list(stored.frame),
    )


@contextmanager
def _kept(collection: Collection, images: Sequence[Examined]) -> Iterator[list[_Stored]]:
    """Store what the policy keeps of each image, and say where; remove all of it again if what follows fails."""
    stored: list[_Stored] = []
    try:
        stored.extend(
            _keep_image(collection, image) for image in images
        )  # a generator: it holds what was stored so far
        yield stored
    except BaseException:
        for one in stored:
            if one.name:
                storage.erase(one.name)
        raise


def _keep_image(collection: Collection, image: Examined) -> _Stored:
    """Store what the policy keeps of the image."""
    if collection.images == Collection.Images.NONE or not image.faces:
        return _NOTHING
    if collection.images == Collection.Images.ORIGINAL:
        whole = (0, 0, image.analysis.width, image.analysis.height)
        return _Stored(storage.keep(collection, image.id, image.content), whole)
    content, part = _crop(image)
    return _Stored(storage.keep(collection, image.id, content), part)


def _crop(image: Examined) -> tuple[bytes, tuple[int, ...]]:
    """Return the part of the image that holds the chosen faces, with a margin, as JPEG, and which part it is."""
    boxes = [face.box for face in image.faces]
    margin = _CROP_MARGIN * max(max(box.width, box.height) for box in boxes)
    left = max(0, int(min(box.x for box in boxes) - margin))
    top = max(0, int(min(box.y for box in boxes) - margin))
    right = min(image.analysis.width, int(max(box.x + box.width for box in boxes) + margin))
    bottom = min(image.analysis.height, int(max(box.y + box.height for box in boxes) + margin))
    _, jpeg = cv2.imencode(
        ".jpg", image.analysis.pixels[top:bottom, left:right], [cv2.IMWRITE_JPEG_QUALITY, _CROP_QUALITY]
    )
    return jpeg.tobytes(), (left, top, right - left, bottom - top)
