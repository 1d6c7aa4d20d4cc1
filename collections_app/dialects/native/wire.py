"""The native API's bodies: snake_case, ids as text, pixels of the upright image, scores of 0 to 100 with 3 digits.

A score of 80 means a false match rate of 1e-3 with every model pack; `false_match_rate` says the rate itself.
Over 300 lines, because the whole platform is its substance.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers

from collections_app.dialects.base import image_bytes
from collections_app.errors import UnknownCursor
from collections_app.fetch import PORTS, ImageUrl
from collections_app.models import Collection, Face, Person, Receipt
from collections_app.operations.audit import Filters
from collections_app.operations.collections import DEFAULT_FALSE_MATCH_RATE
from collections_app.operations.compare import Comparison
from collections_app.operations.people import PersonDetails
from collections_app.operations.search import SearchResult, Threshold
from collections_app.operations.subjects import SubjectRecord
from recognition import packs
from recognition.results import Analysis, DetectedFace
from tenants.access import Caller, Scope
from tenants.events import Kind
from tenants.keys import IssuedKey
from tenants.models import ApiKey, AuditEntry, Delivery, Webhook

MOST_MATCHES = 100
_SCORE_DIGITS, _RATE_DIGITS = 3, 3
_LONGEST = 255
_SHOWN_POLICY = ("liveness_on_enrol", "liveness_on_search", "duplicates", "quality_gate", "images", "retention_days")


class Image(serializers.Field[Any, Any, Any, Any]):
    """An image: an uploaded file, or base64 with or without a data URI before it."""

    default_error_messages = {"invalid": "Send a file, or base64."}

    def to_internal_value(self, data: Any) -> bytes:  # noqa: ANN401
        """Read it."""
        if isinstance(data, UploadedFile):
            return bytes(data.read())
        try:
            return image_bytes(data)
        except (ValueError, AttributeError):
            return self.fail("invalid")


class WithImage(serializers.Serializer[Any]):
    """A body with one image, sent along or named by URL."""

    image = Image(required=False)
    image_url = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the one that is there."""
        return one_image(attrs, "image")


class Page(serializers.Serializer[Any]):
    """A list's query."""

    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
    cursor = serializers.CharField(default="")


class Policy(serializers.Serializer[Any]):
    """What a collection's policy may be changed to; what is not there stays. The threshold is a score of 0 to 100."""

    description = serializers.CharField(required=False, allow_blank=True)
    similarity_threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    liveness_threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    liveness_on_enrol = serializers.BooleanField(required=False)
    liveness_on_search = serializers.BooleanField(required=False)
    consent_required = serializers.BooleanField(required=False)
    duplicates = serializers.ChoiceField(Collection.Duplicates.choices, required=False)
    quality_gate = serializers.ChoiceField(Collection.QualityGate.choices, required=False)
    images = serializers.ChoiceField(Collection.Images.choices, required=False)
    retention_days = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=36_500)
    face_limit = serializers.IntegerField(required=False, min_value=1, max_value=100_000_000)


class NewCollection(Policy):
    """POST /collections."""

    name = serializers.RegexField(r"\A[^/\0]+\Z", max_length=_LONGEST)
    pack = serializers.ChoiceField(packs.names(), default=packs.DEFAULT)


class PersonFields(serializers.Serializer[Any]):
    """What is said of a person."""

    reference = serializers.CharField(required=False, max_length=_LONGEST)
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=_LONGEST)
    name = serializers.CharField(required=False, allow_blank=True, max_length=_LONGEST)
    age = serializers.IntegerField(required=False, min_value=0, max_value=150)
    gender = serializers.ChoiceField([label.lower() for label in Person.Gender.names], required=False)
    listing = serializers.ChoiceField([label.lower() for label in Person.Listing.names], required=False)
    note = serializers.CharField(required=False, allow_blank=True, max_length=10_000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Say it in the platform's terms."""
        for name, choices in (("gender", Person.Gender), ("listing", Person.Listing)):
            if name in attrs:
                attrs[name] = choices[attrs[name].upper()].value
        return {"details": PersonDetails(**attrs)}


class Merge(serializers.Serializer[Any]):
    """POST …/people/{person}/merge."""

    other = serializers.CharField(max_length=_LONGEST)


class Enrol(WithImage):
    """POST …/faces. In a multipart body `person` is JSON."""

    person = serializers.JSONField(default=dict)
    consent = serializers.CharField(default="", max_length=_LONGEST)
    largest = serializers.BooleanField(default=False)

    def validate_person(self, value: Any) -> Any:  # noqa: ANN401
        """Look into it; a form field carries it as text."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise serializers.ValidationError("It must be JSON.") from None
        form = PersonFields(data=value)
        form.is_valid(raise_exception=True)
        return form.validated_data["details"]


class Bar(serializers.Serializer[Any]):
    """What a match must reach: a score, or a false match rate; neither: the collection's own."""

    threshold = serializers.FloatField(required=False, min_value=0, max_value=100)
    false_match_rate = serializers.FloatField(required=False, min_value=1e-6, max_value=1)


class Search(WithImage, Bar):
    """POST …/search: by image, or by an enrolled face."""

    face = serializers.CharField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_MATCHES, default=5)
    largest = serializers.BooleanField(default=False)
    name = serializers.CharField(default="", max_length=_LONGEST)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An image or a face."""
        return attrs if "face" in attrs and not {"image", "image_url"} & attrs.keys() else one_image(attrs, "image")


class Verify(WithImage, Bar):
    """POST …/verify: against a face or a person."""

    face = serializers.CharField(required=False)
    person = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the two, and an image."""
        if ("face" in attrs) == ("person" in attrs):
            raise serializers.ValidationError({"face": "Name a face or a person."})
        return one_image(attrs, "image")


class Compare(Bar):
    """POST /compare."""

    source = Image(required=False)  # type: ignore[assignment]
    source_url = serializers.CharField(required=False)
    target = Image(required=False)
    target_url = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Two images."""
        return one_image(one_image(attrs, "source"), "target")


class NewKey(serializers.Serializer[Any]):
    """POST /keys. Nobody hands out more than they hold."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.ChoiceField([str(scope) for scope in Scope]), allow_empty=False)
    collections = serializers.ListField(child=serializers.CharField(), allow_null=True, default=None)
    networks = serializers.ListField(child=serializers.CharField(), default=list)
    expires_at = serializers.DateTimeField(allow_null=True, default=None)
    requests_per_minute = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)
    calls_per_day = serializers.IntegerField(allow_null=True, default=None, max_value=2**31 - 1)


class Rotation(serializers.Serializer[Any]):
    """POST /keys/{key}/rotation: until when the secret before opens the door as well."""

    keep_until = serializers.DateTimeField(allow_null=True, default=None)


class AuditPage(Page):
    """GET /audit. An action that ends in a dot stands for its whole family."""

    action = serializers.CharField(default="")
    actor = serializers.CharField(default="")
    target_kind = serializers.CharField(default="")
    target = serializers.CharField(default="")
    request_id = serializers.CharField(default="")
    since = serializers.DateTimeField(default=None)
    until = serializers.DateTimeField(default=None)


class AuditExport(AuditPage):
    """GET /audit/export."""

    form = serializers.ChoiceField(["csv", "json"], default="json")


class NewWebhook(serializers.Serializer[Any]):
    """POST /webhooks."""

    url = serializers.CharField(max_length=2000)
    events = serializers.ListField(child=serializers.ChoiceField([str(kind) for kind in Kind]), allow_empty=False)


def one_image(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the image or its URL under the image's name."""
    url = attrs.pop(f"{name}_url", None)
    if (url is None) == (name not in attrs):
        raise serializers.ValidationError({name: f"Send {name} or {name}_url."})
    return attrs if url is None else {**attrs, name: ImageUrl(url, PORTS)}


def fingerprint(path: str, given: Mapping[str, Any]) -> str:
    """Tell one request from another: its path and every field of it."""
    plain = [path, *(f"{name}={value!r}" for name, value in sorted(given.items()))]
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()


def policy(given: dict[str, Any], pack: str) -> dict[str, Any]:
    """Express a policy in the platform's terms: cosine, and liveness from 0 to 1."""
    if "similarity_threshold" in given:
        given["similarity_threshold"] = float(packs.get(pack).similarity.cosine(given["similarity_threshold"]))
    if "liveness_threshold" in given:
        given["liveness_threshold"] /= 100
    return given


def bar(given: Mapping[str, Any]) -> Threshold:
    """Return what a match must reach, as a cosine of whichever pack it is."""
    if "threshold" in given:
        return lambda pack: float(packs.get(pack).similarity.cosine(given["threshold"]))
    if "false_match_rate" in given:
        return lambda pack: packs.get(pack).similarity.threshold_for(given["false_match_rate"])
    return None


def cursor(value: object) -> str:
    """Give out where a list goes on."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def from_cursor(text: str, kind: type) -> Any:  # noqa: ANN401 -- a value of `kind`, or None
    """Take it back.

    Raises:
        UnknownCursor: it is none of ours.
    """
    if not text:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error):
        raise UnknownCursor from None
    usable = 0 <= value < 2**63 if type(value) is int else isinstance(value, str) and "\0" not in value
    if type(value) is not kind or not usable:
        raise UnknownCursor
    return value


def likeness(pack: str, cosine: float, threshold: float | None = None) -> dict[str, Any]:
    """Say how alike: score, false match rate and, against a threshold, the decision."""
    scale = packs.get(pack).similarity
    said: dict[str, Any] = {
        "score": round(float(scale.score(cosine)), _SCORE_DIGITS),
        "false_match_rate": float(f"{float(scale.false_match_rate(cosine)):.{_RATE_DIGITS}g}"),
    }
    return said if threshold is None else said | {"decision": "match" if cosine >= threshold else "no_match"}


def collection(home: Collection) -> dict[str, Any]:
    """A collection and its policy."""
    shown = {name: getattr(home, name) for name in (*_SHOWN_POLICY, "consent_required", "face_limit")}
    return {
        "id": str(home.pk),
        "name": home.name,
        "description": home.description,
        "created_at": home.created_at,
        "pack": home.pack,
        "faces": home.gallery.size,
        "similarity_threshold": likeness(home.pack, home.similarity_threshold)["score"],
        "liveness_threshold": round(100 * home.liveness_threshold, _SCORE_DIGITS),
        **shown,
    }


def person(one: Person) -> dict[str, Any]:
    """A person."""
    said = {name: getattr(one, name) for name in ("reference", "external_id", "name", "age", "note", "created_at")}
    gender, listing = Person.Gender(one.gender).name, Person.Listing(one.listing).name
    return {"id": str(one.pk), **said, "gender": gender.lower(), "listing": listing.lower()}


def face(one: Face) -> dict[str, Any]:
    """An enrolled face."""
    return {
        "id": one.uuid,
        "person": {"id": str(one.person_id), "reference": one.person.reference, "name": one.person.name},
        "created_at": one.created_at.isoformat().replace("+00:00", "Z"),  # plain, since an answer may be kept as JSON
        "image": {
            "id": one.image,
            "width": one.image_width,
            "height": one.image_height,
            "kept": bool(one.stored_image),
        },
        "box": {"x": one.box_x, "y": one.box_y, "width": one.box_width, "height": one.box_height},
        "landmarks": one.landmarks,
        "confidence": round(100 * one.confidence, _SCORE_DIGITS),
        "pose": {"yaw": one.yaw, "pitch": one.pitch, "roll": one.roll},
        "quality": {"sharpness": one.sharpness, "brightness": one.brightness, "reasons": one.quality_reasons},
        "liveness": None if one.liveness is None else round(100 * one.liveness, _SCORE_DIGITS),
        "consent": one.consent,
    }


def seen(one: DetectedFace) -> dict[str, Any]:
    """A face of an image that was not enrolled."""
    quality = {"sharpness": one.quality.sharpness, "brightness": one.quality.brightness}
    return {
        "box": {"x": one.box.x, "y": one.box.y, "width": one.box.width, "height": one.box.height},
        "landmarks": [[float(x), float(y)] for x, y in one.landmarks],
        "confidence": round(100 * one.confidence, _SCORE_DIGITS),
        "pose": {"yaw": one.pose.yaw, "pitch": one.pose.pitch, "roll": one.pose.roll},
        "quality": {**quality, "reasons": [str(reason) for reason in one.quality.reasons]},
    }


def found(result: SearchResult) -> dict[str, Any]:
    """What a search found, best first."""
    record = result.record
    pack = record.pack
    return {
        "id": record.uuid,
        "threshold": likeness(pack, record.threshold),
        "decision": "match" if result.matches else "no_match",
        "matches": [{"face": face(one.face), **likeness(pack, one.cosine)} for one in result.matches],
        "liveness": None if record.liveness is None else round(100 * record.liveness, _SCORE_DIGITS),
        "probe": seen(result.source) if result.source else None,
        "gallery_size": record.gallery_size,
    }


def verified(one: Face, home: Collection, cosine: float, threshold: Threshold) -> dict[str, Any]:
    """How an image compares with an enrolled face."""
    least = threshold(home.pack) if callable(threshold) else home.similarity_threshold
    return {"face": face(one), "threshold": likeness(home.pack, least), **likeness(home.pack, cosine, least)}


def compared(done: Comparison, threshold: Threshold) -> dict[str, Any]:
    """How two images compare."""
    standard = packs.get(done.pack).similarity.threshold_for(DEFAULT_FALSE_MATCH_RATE)
    least = threshold(done.pack) if callable(threshold) else standard
    faces = [{"face": seen(one), **likeness(done.pack, cosine, least)} for one, cosine in done.cosines]
    return {"source": seen(done.source.faces[0]), "threshold": likeness(done.pack, least), "faces": faces}


def analysis(done: Analysis) -> dict[str, Any]:
    """What an image shows."""
    return {"width": done.width, "height": done.height, "faces": [seen(one) for one in done.faces]}


def media_type(content: bytes) -> str:
    """Name what a kept image is; only JPEG and PNG are ever kept."""
    return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"


def webhook(one: Webhook) -> dict[str, Any]:
    """A webhook, without its secret."""
    return {"id": str(one.pk), "url": one.url, "events": one.kinds, "active": one.active, "created_at": one.created_at}


def delivery(one: Delivery) -> dict[str, Any]:
    """How a delivery went."""
    shown = {name: getattr(one, name) for name in ("state", "attempts", "status", "problem", "next_at", "delivered_at")}
    return {"event": str(one.event_id), "type": one.event.kind, "at": one.event.at, **shown}


def receipt(one: Receipt) -> dict[str, Any]:
    """An erasure and, once it is complete, its signed document."""
    return {
        "id": one.uuid,
        "kind": one.kind,
        "subject": one.subject,
        "faces": one.face_count,
        "requested_at": one.requested_at,
        "state": "complete" if one.completed_at else "pending",
        "completed_at": one.completed_at,
        "document": one.document or None,
    }


def subject(record: SubjectRecord) -> dict[str, Any]:
    """Everything about one person."""
    images = {name: base64.b64encode(content).decode() for name, content in record.images.items()}
    searches = [{"id": found.uuid, "at": found.at, "request_name": found.request_name} for found in record.searches]
    return {
        "person": person(record.person),
        "collection": record.collection.name,
        "faces": [face(one) for one in record.faces],
        "images": images,
        "found_by_searches": searches,
        "templates": {"count": len(record.faces), "pack": record.collection.pack, "form": "encrypted, not handed out"},
    }


def key(one: ApiKey) -> dict[str, Any]:
    """A key, without its secret."""
    ids = None if one.collections is None else [str(pk) for pk in one.collections]
    said = ("name", "scopes", "networks", "requests_per_minute", "calls_per_day")
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {"id": one.pk, **{name: getattr(one, name) for name in (*said, *times)}, "collection_ids": ids}


def issued(one: IssuedKey) -> dict[str, Any]:
    """A new key, in the one answer that shows its secret."""
    return {**key(one.key), "secret": one.secret, "token": one.token}


def filters(given: Mapping[str, Any]) -> Filters:
    """Which entries of the audit log are asked for."""
    names = ("action", "actor", "target_kind", "target", "request_id", "since", "until")
    return Filters(**{name: given[name] for name in names})


def entry(one: AuditEntry) -> dict[str, Any]:
    """An entry of the audit log."""
    return {
        "number": one.number,
        "at": one.at,
        "actor": {"kind": one.actor_kind, "id": one.actor_id, "name": one.actor_name, "address": one.address},
        "via": one.via,
        "request_id": one.request_id,
        "action": one.action,
        "target": {"kind": one.target_kind, "id": one.target_id},
        "facts": one.facts,
        "digest": one.digest,
    }


def me(caller: Caller) -> dict[str, Any]:
    """Who is asking."""
    return {
        "tenant": {"id": str(caller.tenant.pk), "slug": caller.tenant.slug, "name": caller.tenant.name},
        "key": {"id": caller.id, "name": caller.name},
        "scopes": [str(scope) for scope in Scope if scope in caller.scopes],
        "restricted_to_collections": caller.collections is not None,
    }
