"""The rows of a bundle as rows of the database: every value is checked, since whoever has the key may write any."""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.crypto import salted_hmac

from collections_app import identifiers
from collections_app.errors import InvalidRequest
from collections_app.models import Collection, Face, Person
from collections_app.operations.export_bundle import FACE_FIELDS, PERSON_FIELDS
from recognition.packs import Pack, earlier
from tenants.scope import as_id

_OURS = ("tenant", "collection", "person")  # set by us, so not validated
_LISTS = ("landmarks", "quality_reasons", "stored_frame")  # validated here, since Django takes an empty one for missing
_MEASURES = ("liveness", "vector_length", "expected_miss")  # null: not measured
_POINTS, _XY = 5, 2
_KEY = re.compile(r"fp_[a-z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of the rows here: those of the bundle, or with a `salt` new ones that a second import finds again."""

    salt: str = ""

    def number(self, kind: str, text: object) -> int:
        """Return the id of a row.

        Raises:
            InvalidRequest: the bundle's is not an id.
        """
        number = as_id(text) if isinstance(text, str) else None
        if not number:
            raise InvalidRequest("bundle", f"an id of a {kind} is not a number")
        return int.from_bytes(self._digest(kind, str(number))[:8]) >> 1 or 1 if self.salt else number

    def uuid(self, kind: str, text: object) -> str:
        """Return the UUID of a row.

        Raises:
            InvalidRequest: the bundle's is not a UUID.
        """
        try:
            known = str(uuid.UUID(str(text)))
        except ValueError:
            raise InvalidRequest("bundle", f"a UUID of a {kind} is malformed") from None
        return str(uuid.UUID(bytes=self._digest(kind, known)[:16], version=4)) if self.salt else known

    def key(self, text: object) -> str:
        """Return the id of an API key.

        Raises:
            InvalidRequest: the bundle's is not a key's id.
        """
        if not isinstance(text, str) or not _KEY.fullmatch(text):
            raise InvalidRequest("bundle", "an id of a key is malformed")
        if not self.salt:
            return text
        return text[:3] + base64.b32encode(self._digest("key", text)[:10]).decode().lower()

    def _digest(self, kind: str, text: str) -> bytes:
        return salted_hmac(f"faceplane.bundle.{kind}", f"{self.salt}:{text}", algorithm="sha256").digest()


def face_of(collection: Collection, ids: Ids, place: tuple[int, int], row: Mapping[str, Any], person: Person) -> Face:
    """Return a face as it will be stored; `place` is its number and its id.

    Raises:
        ValidationError, KeyError, TypeError, ValueError: the row is not one.
    """
    number, pk = place
    values = {name: row[name] for name in FACE_FIELDS}
    own = {"uuid": ids.uuid("face", row["uuid"]), "image": ids.uuid("image", row["image"])}
    face = Face(id=pk, tenant=collection.tenant, collection=collection, person=person, number=number, **values | own)
    face.clean_fields(exclude=(*_OURS, *_LISTS, *(name for name in _MEASURES if getattr(face, name) is None)))
    if not all(isinstance(getattr(face, name), list) for name in _LISTS):
        raise TypeError(_LISTS)
    points = np.asarray(face.landmarks, dtype=float)
    if points.shape != (_POINTS, _XY) or not all(isinstance(text, str) for text in face.quality_reasons):
        raise ValueError(points.shape)
    if not all(type(edge) is int for edge in face.stored_frame) or len(face.stored_frame) not in {0, 4}:
        raise ValueError(face.stored_frame)
    return face


def template_of(text: str, pack: Pack) -> np.ndarray:
    """Return a template, float32; the index checks that it is a unit vector.

    Raises:
        ValueError: it is none.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("template") from None
    [vector] = earlier.narrowed(pack, np.frombuffer(content, dtype="<f4")[None])
    return np.asarray(vector)


def person_of(collection: Collection, ids: Ids, row: Mapping[str, Any]) -> Person:
    """Return a person as they will be stored.

    Raises:
        InvalidRequest, ValidationError, KeyError, TypeError: the row is none.
    """
    pk = ids.number("person", row["id"])
    values = {name: row[name] for name in PERSON_FIELDS}
    if values["reference"] == row["id"]:  # a person without a reference has the id in its place
        values["reference"] = str(pk)
    identifiers.check("reference", values["reference"])
    person = Person(id=pk, tenant=collection.tenant, collection=collection, **values)
    person.clean_fields(exclude=_OURS)
    return person


def check_texts(value: Any) -> None:  # noqa: ANN401 -- JSON
    """Refuse texts that no database stores: with a NUL, or half of a character.

    Raises:
        InvalidRequest: a row has one.
    """
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= one <= "\udfff" for one in value):
            raise InvalidRequest("bundle", "a text in it has a NUL or half of a character")
    elif isinstance(value, dict):
        for inner in value.values():
            check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            check_texts(inner)
