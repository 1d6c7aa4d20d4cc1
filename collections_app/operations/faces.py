"""Find and list enrolled faces."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from django.db.models import QuerySet

from collections_app.errors import FaceNotFound
from collections_app.models import Collection, Face
from collections_app.operations.collections import Alias, find
from collections_app.operations.references import known_person
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class FacePage:
    """A page of faces, the number of faces in the whole list, and whether there are more after the page."""

    faces: tuple[Face, ...]
    total: int
    collection: Collection
    more: bool

    @classmethod
    def of(
        cls, collection: Collection, faces: QuerySet[Face], *, limit: int, offset: int = 0, before: int | None = None
    ) -> Self:
        """Return a page of `faces`, newest first; `before` is the number of the last face of the page before."""
        total = faces.count()
        if before is not None:
            faces = faces.filter(number__lt=before)
        page = tuple(faces.select_related("person").order_by("-number")[offset : offset + limit + 1])
        return cls(page[:limit], total, collection, more=len(page) > limit)


def find_face(collection: Collection, face: str) -> Face:
    """Return the face with this UUID, with its person. Not an operation.

    Raises:
        FaceNotFound: the collection holds no such face.
    """
    try:
        wanted = str(uuid.UUID(face))
    except ValueError:
        raise FaceNotFound(face) from None
    found = collection.faces.filter(uuid=wanted).select_related("person").first()
    if found is None:
        raise FaceNotFound(face)
    return found


def get_face(caller: Caller, *, collection: str | Alias, face: str) -> Face:
    """Return a face with its person."""
    caller.require(Scope.READ)
    return find_face(find(caller, collection), face)


def list_faces(
    caller: Caller,
    *,
    collection: str,
    limit: int,
    offset: int = 0,
    before: int | None = None,
    term: str = "",
    among: Sequence[str] | None = None,
    matching: Mapping[str, str] = MappingProxyType({}),
    person: str = "",
) -> FacePage:
    """List faces, newest first, from an offset or before a number.

    `among`: only the faces with these UUIDs. `matching`: the exact values of `uuid`, `image` or `label` that they have.
    `person`: only the faces of the person with this reference; of an unknown one there are none.
    """
    caller.require(Scope.READ)
    collection = find(caller, collection)
    faces: QuerySet[Face] = collection.faces.filter(**matching)
    if person:
        faces = faces.filter(person=known_person(collection, person))
    if term:
        faces = faces.filter(uuid__contains=term)
    if among is not None:
        faces = faces.filter(uuid__in=among)
    return FacePage.of(collection, faces, limit=limit, offset=offset, before=before)
