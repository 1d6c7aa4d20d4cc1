"""Faces: list, details, images, erasure."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import ngettext

from collections_app.console.base import ConsoleView
from collections_app.console.filters import FaceFilter
from collections_app.console.forms import ChosenFacesForm
from collections_app.operations import browse, data_subject, erase, merge_split, pictures
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.faces import get_face
from collections_app.paging import page_by_number
from tenants.access import Scope

_PAGE = 48


class FacesView(ConsoleView):
    """A collection's faces, newest first, a page at a time."""

    template = "console/faces.html"
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
        template = "console/_faces.html" if request.htmx else ""  # type: ignore[attr-defined]  # HtmxMiddleware's
        return self.page(template=template, collection=collection, filter=chosen, found=found, tab="faces")


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
        values = self.values(ChosenFacesForm(request.POST))
        erase.delete_faces(self.caller, collection=collection.name, **values)
        count = len(set(values["faces"]))
        sentence = ngettext("%(count)d face is erased.", "%(count)d faces are erased.", count) % {"count": count}
        return self.done(sentence, "faces", alias=collection.alias)


def _send(picture: pictures.Picture) -> HttpResponse:
    """Answer with an image that no cache stores: an erased image must not survive."""
    return HttpResponse(picture.content, content_type=picture.kind, headers={"Cache-Control": "private, no-store"})
