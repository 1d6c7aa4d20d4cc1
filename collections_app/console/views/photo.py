"""Add a photo to a known person: which face it is, whether it looks like somebody else, then its enrolment."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from collections_app.console.base import ConsoleView
from collections_app.console.playground_forms import PhotoForm
from collections_app.operations import compare, data_subject
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_image
from recognition.errors import SeveralFaces
from tenants.access import Scope


class AddPhotoView(ConsoleView):
    """A photo of a person. What is sent is looked at first: a search, as the search log says."""

    needs = Scope.ENROL
    template = "console/person_add.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str, person: int) -> HttpResponse:
        """Ask for the photo."""
        return self._shown(alias, person, form=PhotoForm())

    def post(self, request: HttpRequest, alias: str, person: int) -> HttpResponse:
        """Enrol the face if it looks like the person or the member is sure; else ask."""
        form = PhotoForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.page(200, "console/playground/_invalid.html", form=form)
        image, at = form.cleaned_data["image"], form.cleaned_data["at"]
        if form.cleaned_data["sure"]:
            return self._enrolled(alias, person, image=image, at=at, consent=form.cleaned_data["consent"])
        try:
            found = search_by_image(self.caller, collection=Alias(alias), image=image, at=at)
        except SeveralFaces:
            seen = compare.detect(self.caller, image=image)
            return self._shown(alias, person, "console/photo/_choose.html", seen=seen)
        own = next((match for match in found.matches if match.face.person_id == person), None)
        other = next((match for match in found.matches if match.face.person_id != person), None)
        if at and own and own is found.matches[0]:  # a click on its box is enough
            return self._enrolled(alias, person, image=image, at=at, consent=form.cleaned_data["consent"])
        point = form["at"].value() or ""
        shown = {"result": found, "own": own, "other": other, "at": point}
        return self._shown(alias, person, "console/photo/_looks_like.html", **shown)

    def _enrolled(
        self, alias: str, person: int, *, image: bytes, at: tuple[float, float] | None, consent: str
    ) -> HttpResponse:
        whose = data_subject.get_person(self.caller, collection=Alias(alias), person=person)
        details = data_subject.PersonDetails(reference=whose.reference)
        where: dict[str, Any] = {"collection": Alias(alias), "person": details}
        enrol_face(self.caller, image=image, at=at, consent=consent, **where)
        messages.success(self.request, _("The photo is added."))
        return HttpResponseClientRedirect(self.link("person", alias=alias, person=person))

    def _shown(self, alias: str, person: int, template: str = "", **context: Any) -> HttpResponse:
        collection = get_collection(self.caller, name=Alias(alias))
        whose = data_subject.get_person(self.caller, collection=Alias(alias), person=person)
        return self.page(template=template, collection=collection, person=whose, tab="people", **context)

    def refused(self, error: Exception) -> HttpResponse:
        """Show the error in the result pane: htmx shows no other status."""
        answer = super().refused(error)
        if self.request.htmx:  # type: ignore[attr-defined]  # HtmxMiddleware's
            answer.status_code = 200
        return answer
