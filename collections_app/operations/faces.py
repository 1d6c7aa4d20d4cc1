"""Find and list enrolled faces."""

import uuid
from dataclasses import dataclass
from typing import Self

from django.db.models import QuerySet

from collections_app.errors import FaceNotFound
from collections_app.models import Collection, Face
from collections_app.operations.collections import Alias, find
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class FacePage:
    """Some faces of a collection's list, how many the whole list has, and whether it goes on after these."""

    faces: tuple[Face, ...]
    total: int
    collection: Collection
    more: bool

    @classmethod
    def of(
        cls, collection: Collection, faces: QuerySet[Face], *, limit: int, offset: int = 0, before: int | None = None
    ) -> Self:
        """Return a page of some of a collection's faces, newest first."""
        total = faces.count()
        if before is not None:
            faces = faces.filter(number__lt=before)
        page = tuple(faces.select_related("person").order_by("-number")[offset : offset + limit + 1])
        return cls(page[:limit], total, collection, more=len(page) > limit)


def find_face(collection: Collection, face: str) -> Face:
    """Return the face of that UUID in the collection, with its person.

    Not an operation of its own: each operation says its scope first.

    Raises:
        FaceNotFound: the collection holds none.
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
    caller: Caller, *, collection: str, limit: int, offset: int = 0, before: int | None = None, term: str = ""
) -> FacePage:
    """List faces, newest first, by offset or by the number of the last face seen; `term` is a part of the UUID."""
    caller.require(Scope.READ)
    collection = find(caller, collection)
    faces: QuerySet[Face] = collection.faces.all()
    if term:
        faces = faces.filter(uuid__contains=term)
    return FacePage.of(collection, faces, limit=limit, offset=offset, before=before)
