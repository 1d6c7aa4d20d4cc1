"""Captures: what a browser without a key does once, with a capture token (tenants.captures).

A server with a key asks for a token and gives it to a browser, which sends the pictures itself. The browser is told
only that it is done: what came of it, the server reads (`get_capture`) or is sent (capture.completed).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from collections_app.errors import (
    CollectionDeleted,
    CollectionFull,
    CollectionNotFound,
    CollectionsError,
    ConsentRequired,
    DuplicateFace,
    EnrolmentBarred,
    InvalidRequest,
    PersonNotFound,
    ProbingRefused,
)
from collections_app.examine import analyse
from collections_app.models import Collection, LivenessChallenge
from collections_app.operations import challenges
from collections_app.operations.collections import find
from collections_app.operations.compare import verify_person
from collections_app.operations.data_subject import PersonDetails, check_details
from collections_app.operations.enrol import enrol_face
from collections_app.operations.guidance import Guidance, guidance
from collections_app.operations.references import find_person
from collections_app.operations.search import search_with_decision
from recognition.errors import RecognitionError, SpoofSuspected
from recognition.images import ImageLimits
from tenants import audit, captures, events
from tenants.access import Caller, Scope
from tenants.captures import IssuedCapture, Verb
from tenants.errors import CaptureNotFound, CaptureUnusable, QuotaExceeded, TenantsError
from tenants.links import origin_of, own_origin
from tenants.models import CaptureToken

MOST_MINUTES = 30
_MOST_LOOKS = 600  # small pictures for guidance: some minutes of them
_MOST_TRIES = 10  # pictures that could not be used, and challenges
_LOOK = ImageLimits(max_bytes=500_000, shrink_to=640)
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
# Another picture would be refused as well, or should not be tried: the token is used up.
_FINAL = (
    CollectionDeleted,
    CollectionFull,
    CollectionNotFound,
    ConsentRequired,
    DuplicateFace,
    EnrolmentBarred,
    PersonNotFound,
    ProbingRefused,
    QuotaExceeded,
    SpoofSuspected,
)


def ask_capture(
    caller: Caller,
    *,
    verb: Verb,
    collection: str = "",
    reference: str = "",
    consent: str = "",
    origin: str = "",
    minutes: int = 10,
    return_url: str = "",
    file: bool = False,
) -> IssuedCapture:
    """Give a right to do one thing once from a browser; only this answer has its secret.

    `origin` is that of the page that will use it; empty: our own page, which goes on to `return_url`, and with `file`
    also takes a file. The caller cannot give more than it has.

    Raises:
        InvalidRequest: a value cannot be used, or does not belong to the verb.
        ConsentRequired: the collection requires a reference to consent.
        CollectionNotFound, CollectionDeleted, PersonNotFound: there is none within reach.
    """
    caller.require(Scope.ENROL if verb == Verb.ENROL else Scope.SEARCH)
    found = _collection(caller, verb, collection)
    _check_person(verb, found, reference, consent)
    if not 1 <= minutes <= MOST_MINUTES:
        raise InvalidRequest("minutes", f"must be 1 to {MOST_MINUTES}")
    if origin and origin_of(origin) != origin:
        raise InvalidRequest("origin", "must be as browsers send it, such as https://HOST or https://HOST:8443")
    if return_url and not origin_of(return_url):
        raise InvalidRequest("return_url", "must be an http or https URL")
    if file and _must_live(verb, found):
        raise InvalidRequest("file", "a file cannot show that a person is there")
    with transaction.atomic():
        issued = captures.issue(
            caller,
            verb,
            minutes,
            collection_id=found.pk if found else None,
            reference=reference,
            consent=consent,
            origin=origin or own_origin(),
            return_url=return_url,
            file=file,
        )
        facts = {"verb": verb, "collection": str(found.pk) if found else None, "origin": issued.capture.origin}
        audit.record_unchained(caller, "capture.issued", issued.capture, **facts)
    return issued


def get_capture(caller: Caller, *, capture: str) -> CaptureToken:
    """Return a capture token and what came of it.

    Raises:
        CaptureNotFound: nobody gave one with this id for a collection within reach.
    """
    caller.require(Scope.READ)
    rows = CaptureToken.objects.of(caller.tenant).filter(pk=capture)
    if caller.collections is not None:
        own = Q(actor_kind=caller.kind, actor_id=caller.id)
        rows = rows.filter(own | Q(collection_id__in=caller.collections))
    found: CaptureToken | None = rows.first()
    if found is None:
        raise CaptureNotFound
    return found


def guide(caller: Caller, *, capture: str, image: bytes) -> Guidance:
    """Say how the next picture would be better. Nothing is compared or kept, and the token is not used up.

    Raises:
        CaptureUnusable: it was used, or was asked too often.
    """
    caller.require(Scope.ENROL if Scope.ENROL in caller.scopes else Scope.SEARCH)  # the one of a token's caller
    _count(caller, capture, "looks", _MOST_LOOKS)
    return guidance(analyse(caller, image, embed=0, limits=_LOOK))


def start_challenge(caller: Caller, *, capture: str) -> LivenessChallenge:
    """Ask for two random moves; the last challenge that was started is the one that pictures answer.

    Raises:
        CaptureUnusable: it is for another verb, was used, or was tried too often.
        TooManyRequests: who gave the token has too many unanswered challenges.
    """
    caller.require(Scope.ENROL if Scope.ENROL in caller.scopes else Scope.SEARCH)  # the one of a token's caller
    _find(caller, capture, Verb.LIVENESS)
    _count(caller, capture, "tries", _MOST_TRIES)
    asked = challenges.start_challenge(caller)
    CaptureToken.objects.of(caller.tenant).filter(pk=capture).update(challenge=asked.uuid)
    return asked


def use_capture(
    caller: Caller, *, capture: str, verb: str, image: bytes | None = None, frames: Sequence[bytes] | None = None
) -> CaptureToken:
    """Do what the token allows, and use it up; a picture that cannot be used leaves it for another one.

    `image` for all verbs but liveness; `frames` answer the challenge. What came of it is not told here.

    Raises:
        CaptureUnusable: it is for another verb, was used, or was tried too often.
        ImageRefused, ChallengeUnusable, or an error of recognition: another picture may do.
    """
    caller.require(Scope.ENROL if Scope.ENROL in caller.scopes else Scope.SEARCH)  # the one of a token's caller
    found = _find(caller, capture, verb)
    wanted, unwanted = (frames, image) if verb == Verb.LIVENESS else (image, frames)
    if wanted is None or unwanted is not None:
        field = "frames" if verb == Verb.LIVENESS else "image"
        raise InvalidRequest(field, f"send {field} and no other picture")
    rows = CaptureToken.objects.of(caller.tenant).filter(pk=capture)
    _count(caller, capture, "tries", _MOST_TRIES, used_at=timezone.now())
    try:
        outcome = _DO[verb](caller, found, wanted)
    except _FINAL as error:
        outcome = {"refused": _CAPITAL.sub("_", type(error).__name__).lower()}
    except (CollectionsError, RecognitionError, TenantsError):
        rows.update(used_at=None)
        raise
    with transaction.atomic():
        rows.update(outcome=outcome, reference="", consent="")
        events.emit(caller.tenant, events.Kind.CAPTURE_COMPLETED, capture=found.pk, verb=found.verb, outcome=outcome)
        audit.record_unchained(caller, "capture.used", found, verb=found.verb, **outcome)
    return found


def return_url(capture: CaptureToken) -> str:
    """Return where our page goes on to, with the capture's id in the query; empty: nowhere."""
    if not capture.return_url:
        return ""
    *place, query, fragment = urlsplit(capture.return_url)
    return urlunsplit([*place, "&".join(filter(None, (query, f"capture={capture.pk}"))), fragment])


def _collection(caller: Caller, verb: Verb, collection: str) -> Collection | None:
    if verb == Verb.LIVENESS:
        if collection:
            raise InvalidRequest("collection", "a liveness challenge is of none")
        return None
    if not collection:
        raise InvalidRequest("collection", "is needed")
    return find(caller, collection)


def _check_person(verb: Verb, collection: Collection | None, reference: str, consent: str) -> None:
    if bool(reference) != (verb in {Verb.ENROL, Verb.VERIFY}):
        raise InvalidRequest("reference", "is of nobody here" if reference else "is needed")
    if verb == Verb.VERIFY and collection:
        find_person(collection, reference)
    if verb == Verb.ENROL:
        check_details(PersonDetails(reference=reference))
    if verb == Verb.ENROL and collection and collection.consent_required and not consent:
        raise ConsentRequired
    if consent and verb != Verb.ENROL:
        raise InvalidRequest("consent", "is for enrolments")


def _must_live(verb: Verb, collection: Collection | None) -> bool:
    """Return whether a live person must be in front of the camera, by the verb or the collection's policy."""
    if collection is None:
        return True
    return {Verb.ENROL: collection.liveness_on_enrol, Verb.SEARCH: collection.liveness_on_search}.get(verb, False)


def _find(caller: Caller, capture: str, verb: str) -> CaptureToken:
    found: CaptureToken | None = CaptureToken.objects.of(caller.tenant).filter(pk=capture).first()
    if found is None:
        raise CaptureUnusable("there is no such token")
    if found.verb != verb:
        raise CaptureUnusable("it is for another verb")
    return found


def _count(caller: Caller, capture: str, what: str, most: int, **values: Any) -> None:  # noqa: ANN401 -- fields
    """Count a use of an unused token, and set values with it: of two requests at once only one does."""
    unused = CaptureToken.objects.of(caller.tenant).filter(pk=capture, used_at=None)
    if not unused.filter(**{f"{what}__lt": most}).update(**{what: F(what) + 1}, **values):
        raise CaptureUnusable("it was tried too often" if unused.exists() else "it was used before")


def _enrol(caller: Caller, found: CaptureToken, image: bytes) -> dict[str, Any]:
    person = PersonDetails(reference=found.reference)
    where = str(found.collection_id)
    done = enrol_face(caller, collection=where, image=image, person=person, consent=found.consent)
    return {"face": done.faces[0].uuid, "person": str(done.faces[0].person_id)}


def _verify(caller: Caller, found: CaptureToken, image: bytes) -> dict[str, Any]:
    done = verify_person(caller, collection=str(found.collection_id), person=found.reference, image=image)
    return {"decision": "match" if done.match else "no_match", "person": str(done.face.person_id)}


def _search(caller: Caller, found: CaptureToken, image: bytes) -> dict[str, Any]:
    done = search_with_decision(caller, collection=str(found.collection_id), image=image, limit=1)
    decision = done.decision.verdict if done.decision else None
    best = {"person": str(done.matches[0].face.person_id)} if done.matches else {}
    return {"decision": decision, "search": done.record.uuid, **best}


def _challenge(caller: Caller, found: CaptureToken, frames: Sequence[bytes]) -> dict[str, Any]:
    done = challenges.answer_challenge(caller, challenge=found.challenge, frames=frames)
    return {"passed": done.passed, "reasons": list(done.doubts)}


_DO: Mapping[str, Callable[[Caller, CaptureToken, Any], dict[str, Any]]] = {
    Verb.ENROL: _enrol,
    Verb.VERIFY: _verify,
    Verb.SEARCH: _search,
    Verb.LIVENESS: _challenge,
}
