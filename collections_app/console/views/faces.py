"""Faces: list, details, images, erasure."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import ngettext

from collections_app.console.base import ConsoleView
from collections_app.console.filters import FaceFilter
from collections_app.console.people_forms import ChosenFacesForm
from collections_app.operations import browse, data_subject, erase, merge_split, pictures
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.faces import get_face
from collections_app.paging import page_by_number
from tenants.access import Scope

_PAGE = 48
MOST_CHOSEN = 1_000  # faces that are erased or moved at once


class FacesView(ConsoleView):
    """A collection's faces, newest first, a page at a time."""

    template = "console/faces.html"
    fragment = "console/_faces.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Filter and show."""
        collection = get_collection(self.caller, name=Alias(alias))
        faces = browse.browse_faces(self.caller, collection=collection.name)
        chosen = FaceFilter(
            request.GET, faces, people=data_subject.browse_people(self.caller, collection=collection.name)
        )
        oldest = request.GET.get("order") == "oldest"
        found = page_by_number(faces, chosen.qs, request.GET.get("before", ""), size=_PAGE, oldest=oldest)
        more = chosen.qs.order_by("number").values_list("number", flat=True)[: MOST_CHOSEN + 1]
        total = len(more) if found.after and not request.htmx else 0  # type: ignore[attr-defined]  # HtmxMiddleware's
        return self.page(
            collection=collection,
            filter=chosen,
            found=found,
            total=total if total <= MOST_CHOSEN else 0,
            tab="faces",
        )


def all_that_match(view: ConsoleView, collection: str) -> QueryDict:
    """Return the posted form; if it says "all", with all faces that match its filter, MOST_CHOSEN at most."""
    posted = view.request.POST
    if "all" not in posted:
        return posted
    faces = browse.browse_faces(view.caller, collection=collection)
    people = data_subject.browse_people(view.caller, collection=collection)
    chosen = FaceFilter(QueryDict(posted["all"]), faces, people=people)
    values = posted.copy()
    values.setlist("faces", list(chosen.qs.values_list("uuid", flat=True)[:MOST_CHOSEN]))
    return values


class FaceView(ConsoleView):
    """One face: position, quality, most similar faces, history."""

    template = "console/face.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str, face: Any) -> HttpResponse:
        """Show it."""
        collection = get_collection(self.caller, name=Alias(alias))
        found = get_face(self.caller, collection=collection.name, face=str(face))
        below = "below" in request.GET
        near = merge_split.neighbours(self.caller, collection=collection.name, face=found.uuid, below=below)
        history = browse.face_history(self.caller, face=found)
        return self.page(collection=collection, face=found, neighbours=near, below=below, history=history, tab="faces")


class ImageView(ConsoleView):
    """The stored image of a face."""

    def get(self, request: HttpRequest, alias: str, face: Any) -> HttpResponse:
        """Send it."""
        return _send(pictures.face_picture(self.caller, collection=Alias(alias), face=str(face)))


class ThumbnailView(ConsoleView):
    """The thumbnail of a face."""

    def get(self, request: HttpRequest, alias: str, face: Any) -> HttpResponse:
        """Send it."""
        ticket = request.GET.get("ticket", "")
        return _send(pictures.face_thumbnail(self.caller, collection=Alias(alias), face=str(face), ticket=ticket))


class DeleteFacesView(ConsoleView):
    """Erase selected faces."""

    needs = Scope.DELETE

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Erase them."""
        collection = get_collection(self.caller, name=Alias(alias))
        values = self.values(ChosenFacesForm(all_that_match(self, collection.name)))
        erase.delete_faces(self.caller, collection=collection.name, **values)
        count = len(set(values["faces"]))
        sentence = ngettext("%(count)d face is erased.", "%(count)d faces are erased.", count) % {"count": count}
        return self.done(sentence, "faces", alias=collection.alias)


def _send(picture: pictures.Picture) -> HttpResponse:
    """Answer with an image that no cache stores: an erased image must not survive."""
    return HttpResponse(picture.content, content_type=picture.kind, headers={"Cache-Control": "private, no-store"})
