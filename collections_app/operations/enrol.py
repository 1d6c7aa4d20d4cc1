"""Enrolment: from an image to faces that the next search finds.

Pixels first, rows second: the pipeline runs before the transaction begins.

One file although it is longer than 300 lines: every way to enrol shares its checks, rows and
records.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from collections_app import erasure, galleries, identifiers, scoring
from collections_app.errors import ConsentRequired, DuplicateFace, EnrolmentBarred
from collections_app.examine import Examined, Purpose, examine, naming
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face, Person
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.data_subject import PersonDetails, check_details, people_of, save_person
from collections_app.operations.disclosure import disclosure
from collections_app.operations.do_not_enrol import refuse_barred
from collections_app.operations.faces import find_face
from collections_app.operations.kept_images import KeptImage, kept
from collections_app.operations.references import known_person
from collections_app.operations.room import room_for
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.models import Gallery
from recognition.results import DetectedFace, Quality, Selection
from tenants import audit, events, prepared
from tenants.access import Caller, Scope
from tenants.scope import random_id


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Faces that were stored, in the order of `added`, and the faces of the image that were not.

    `width` and `height` are those of the upright image.
    """

    collection: Collection
    image: str
    faces: tuple[Face, ...]
    added: tuple[DetectedFace, ...]
    not_added: tuple[DetectedFace, ...]
    width: int
    height: int
    lacking: int = 0  # how many of those not added had no room


def enrol_face(  # noqa: PLR0913 -- what a request may say
    caller: Caller,
    *,
    collection: str | Alias,
    image: bytes | ImageUrl,
    person: PersonDetails,
    largest: bool = False,
    consent: str = "",
    settle: Callable[[Enrolment], None] | None = None,
    confidence: float = 0.0,
    replace: bool = False,
    at: tuple[float, float] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the one face of the image, or with `largest` the largest of several, as a face of the person.

    `at`: the face at this place, in pixels of the upright image, whatever else the image shows. Faces below the
    detector's `confidence`, 0 to 1, do not count. `replace`: the faces that the person had are erased, each with a
    receipt.
    `consent` is the caller's reference to the person's consent. `settle` is called with the result, in the transaction.

    Raises:
        NoFace, SeveralFaces: the image does not show one face.
        SpoofSuspected, LowQuality, DuplicateFace, ConsentRequired, EnrolmentBarred: the policy refused it.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
        CollectionFull, QuotaExceeded: the collection or the tenant has no room.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_request(caller, collection, consent, person)
    refuse_barred(collection, person.reference)
    examined = examine(
        caller,
        collection,
        image,
        purpose=Purpose.ENROL,
        largest=largest,
        selection=Selection(confidence=confidence, point=at),
        limits=limits,
    )
    return _store(caller, collection, [examined], person=person, replace=replace, consent=consent, settle=settle)[0]


def would_enrol(
    caller: Caller,
    *,
    collection: str | Alias,
    image: bytes | ImageUrl,
    person: PersonDetails,
    largest: bool = False,
    consent: str = "",
) -> Examined:
    """Check what `enrol_face` checks, and store nothing. The refusal of a duplicate is charged all the same.

    Raises:
        The errors of `enrol_face`.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_request(caller, collection, consent, person)
    known = known_person(collection, person.reference)
    refuse_barred(collection, known.reference if known else person.reference)
    examined = examine(caller, collection, image, purpose=Purpose.ENROL, largest=largest)
    with _charging_duplicates(caller, collection), transaction.atomic():
        _check_room(collection, lock(collection), 1, fill=False)
        _check_duplicates(caller, collection, examined.faces, known)
    return examined


def enrol_person(
    caller: Caller,
    *,
    collection: str | Alias,
    images: Sequence[bytes],
    person: PersonDetails,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Person:
    """Store the largest face of each image as the person's faces, all or none.

    If the reference is known, the person's old faces are erased, each with a receipt, in the same transaction: searches
    find the person at any time.

    Raises:
        ImageRefused: an image cannot be decoded, shows no face, or was refused by the policy.
        DuplicateFace, EnrolmentBarred: the policy refused it.
        CollectionFull, QuotaExceeded: the collection or the tenant has no room.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_request(caller, collection, "", person)
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
    gate: str | None = None,
    fill: bool = False,
    liveness: int = 0,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Enrolment:
    """Store the `limit` largest faces, each as a new person, all or none; an image without a face is no error.

    With a quality gate, the faces that fail it or the collection's are left out. With `fill` as many of the faces are
    stored as there is room for, at least one. The `liveness` largest get a liveness score.

    Raises:
        SpoofSuspected, LowQuality, DuplicateFace: the policy refused a face.
        CollectionFull, QuotaExceeded: the collection or the tenant has no room.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    _check_request(caller, collection, "")
    examined = examine(
        caller, collection, image, purpose=Purpose.ENROL, at_most=limit, gate=gate, liveness=liveness, limits=limits
    )
    return _store(caller, collection, [examined], label=label, fill=fill)[0]


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture whose one face the policy accepts, and whose face it is: one of many that are stored at once."""

    image: Examined
    person: PersonDetails
    consent: str

    @property
    def key(self) -> object:
        """What entries of one person share; without a reference each is of another person."""
        return identifiers.comparison_key(self.person.reference) or id(self)


def accept(
    caller: Caller,
    *,
    collection: Collection,
    image: bytes | ImageUrl,
    person: PersonDetails,
    largest: bool,
    consent: str,
) -> Entry:
    """Check what `enrol_face` checks before its transaction, but for the do-not-enrol list.

    Raises:
        The errors of `enrol_face`.
    """
    caller.require(Scope.ENROL)
    _check_request(caller, collection, consent, person)
    check_details(person)
    examined = examine(caller, collection, image, purpose=Purpose.ENROL, largest=largest)
    return Entry(examined, person, consent)


def enrol_entries(
    caller: Caller, *, collection: Collection, entries: Sequence[Entry], settle: Callable[[Sequence[Face]], None]
) -> None:
    """Store the face of each entry in one transaction, all or none, so that each costs little beside its analysis.

    For collections that allow duplicates. `settle` is called with the faces, in the transaction.

    Raises:
        EnrolmentBarred: one of the people is on the do-not-enrol list.
        CollectionFull, QuotaExceeded: the collection or the tenant has no room for all.
    """
    caller.require(Scope.ENROL)
    images = [entry.image for entry in entries]
    with kept(collection, images) as stored, transaction.atomic():
        gallery = lock(collection)
        people = people_of(collection, {entry.key: entry.person for entry in entries})
        barred = {person.reference_key or identifiers.comparison_key(person.reference) for person in people.values()}
        if collection.do_not_enrol.filter(reference_key__in=barred).exists():
            raise EnrolmentBarred
        _check_room(collection, gallery, len(entries), fill=False)
        Person.unscoped.bulk_create(person for person in people.values() if not person.created_at)
        numbered = _index(collection, gallery, images)
        enrolment = partial(_enrolment, caller, collection, numbered=numbered, label="", lacking=0)
        faces = [face for each in map(enrolment, images, stored) for face in each.faces]
        for face, entry in zip(faces, entries, strict=True):
            face.person, face.consent = people[entry.key], entry.consent
        Face.unscoped.bulk_create(faces)
        _emit(collection, faces)
        settle(faces)
        _log(caller, collection, images, faces, ())


def _check_request(caller: Caller, collection: Collection, consent: str, person: PersonDetails | None = None) -> None:
    """Refuse what the policy refuses without looking at the image."""
    if collection.consent_required and not consent:
        raise ConsentRequired
    if collection.duplicates == Collection.Duplicates.REFUSE:
        # A refusal discloses that a face is enrolled, but for those of the person: they may get a better one.
        refuse_probing(caller, but=known_person(collection, person.reference) if person else None)


def _store(
    caller: Caller,
    collection: Collection,
    images: Sequence[Examined],
    *,
    person: PersonDetails | None = None,
    label: str = "",
    replace: bool = False,
    fill: bool = False,
    consent: str = "",
    settle: Callable[[Enrolment], None] | None = None,
) -> list[Enrolment]:
    """Write all faces in one transaction, as faces of `person` or each of a new person; return one Enrolment an image.

    `replace`: the faces that the person had before are erased, each with a receipt. `fill`: of a single image, the
    largest faces for which there is room.
    """
    chosen = [face for image in images for face in image.faces]
    with _charging_duplicates(caller, collection), kept(collection, images) as stored, transaction.atomic():
        gallery = lock(collection)
        known = known_person(collection, person.reference) if person else None
        refuse_barred(collection, known.reference if known else person.reference if person else "")
        replaced = list(known.faces.all()) if known and replace else []
        lacking = _check_room(collection, gallery, len(chosen) - len(replaced), fill=fill)
        if lacking:
            chosen = chosen[:-lacking]
            images = [dataclasses.replace(images[0], faces=tuple(chosen))]
        _check_duplicates(caller, collection, chosen, known)
        numbered = _index(collection, gallery, images)
        one = save_person(collection, person, known) if person else None
        enrolment = partial(_enrolment, caller, collection, numbered=numbered, label=label, lacking=lacking)
        done = list(map(enrolment, images, stored))
        faces = [face for each in done for face in each.faces]
        for face in faces:
            face.person, face.consent = one or save_person(collection, PersonDetails()), consent
        prepared.insert(faces)
        erased = erasure.erase_each(caller, collection, replaced)
        if collection.hooked:
            _emit(collection, faces)
        if settle:
            settle(done[0])
        _log(caller, collection, images, faces, erased)
    for gone in erased:
        erasure.search_again(collection, gone)
    return done


@contextmanager
def _charging_duplicates(caller: Caller, collection: Collection) -> Iterator[None]:
    """Charge for the refusal of a duplicate, which discloses that a face is enrolled, after the rollback."""
    try:
        yield
    except DuplicateFace as error:
        found = [(find_face(collection, error.face), error.cosine)]
        with transaction.atomic():
            disclose(caller, collection, found, disclosure(caller, collection))
        raise


def _index(collection: Collection, gallery: Gallery, images: Sequence[Examined]) -> Iterator[tuple[int, int]]:
    """Add the faces' templates to the index; return an iterator of each face's number and id."""
    ids = [random_id() for image in images for _ in image.faces]
    known = {pack for image in images for pack in image.other_templates}
    templates = {collection.pack: [face.template for image in images for face in image.faces]}
    for pack in known if all(image.other_templates.keys() == known for image in images) else ():
        templates[pack] = [one for image in images for one in image.other_templates[pack][: len(image.faces)]]
    by_face = {pack: dict(zip(ids, vectors, strict=True)) for pack, vectors in templates.items()}
    return iter(enumerate(ids, start=galleries.add(collection, gallery, by_face)))


def _enrolment(
    caller: Caller,
    collection: Collection,
    image: Examined,
    stored: KeptImage,
    *,
    numbered: Iterator[tuple[int, int]],
    label: str,
    lacking: int,
) -> Enrolment:
    """Make the rows of an image's chosen faces, without their people; not saved."""
    faces = [_face(caller, collection, image, seen, next(numbered), label=label, stored=stored) for seen in image.faces]
    seen = image.analysis
    return Enrolment(collection, image.id, tuple(faces), image.faces, image.others, seen.width, seen.height, lacking)


def _emit(collection: Collection, faces: Sequence[Face]) -> None:
    for face in faces:
        facts = {"face": face.uuid, "person": str(face.person_id)}
        events.emit(collection.tenant, events.Kind.FACE_ENROLLED, collection=collection.name, **facts)


def _log(
    caller: Caller,
    collection: Collection,
    images: Sequence[Examined],
    faces: Sequence[Face],
    erased: Sequence[erasure.Erased],
) -> None:
    facts = {"images": [image.id for image in images], "replaced": [gone.receipt.subject for gone in erased]}
    facts |= {"receipts": [gone.receipt.uuid for gone in erased]} if erased else {}
    audit.record_unchained(caller, "face.enrolled", collection, faces=[face.uuid for face in faces], **facts)


def _check_room(collection: Collection, gallery: Gallery, more: int, *, fill: bool) -> int:
    """Return for how many of `more` faces there is no room: 0 unless `fill` accepts room for some of them."""
    return max(0, more - room_for(collection, gallery, min(more, 1) if fill else more))


def _check_duplicates(
    caller: Caller, collection: Collection, faces: Sequence[DetectedFace], person: Person | None
) -> None:
    """Refuse a face that matches another person in the collection."""
    if collection.duplicates != Collection.Duplicates.REFUSE:
        return
    own = set(person.faces.values_list("pk", flat=True)) if person else set()
    terms = disclosure(caller, collection)
    for face in faces:
        near = scoring.reaching(collection, face.template, terms.threshold)
        others = {neighbour.face_id: neighbour.cosine for neighbour in near if neighbour.face_id not in own}
        # The first of them that was enrolled: which one is nearest would be an order, free of charge.
        known = Face.objects.of(collection.tenant).filter(pk__in=others).order_by("number").first()
        if known:
            raise DuplicateFace(known.uuid, others[known.pk])


def _judged(quality: Quality) -> dict[str, Any]:
    return {
        "sharpness": quality.sharpness,
        "brightness": quality.brightness,
        "vector_length": quality.length,
        "expected_miss": quality.expected_miss,
        "quality_reasons": list(quality.reasons),
    }


def _face(
    caller: Caller,
    collection: Collection,
    image: Examined,
    detected: DetectedFace,
    numbered: tuple[int, int],
    *,
    label: str,
    stored: KeptImage,
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
        **_judged(detected.quality),
        liveness=detected.liveness.score if detected.liveness else None,
        actor_kind=caller.kind,
        actor_id=caller.id,
        via=caller.via,
        stored_image=stored.name,
        stored_frame=list(stored.frame),
    )
