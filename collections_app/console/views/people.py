"""People: list, details, merging, moving faces, export, erasure."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from collections_app.console import previews
from collections_app.console.base import ConsoleView, FormView, download
from collections_app.console.filters import PersonFilter, named
from collections_app.console.people_forms import EraseForm, MergeForm, MoveFacesForm, PersonForm
from collections_app.console.views.faces import all_that_match
from collections_app.operations import browse, data_subject, merge_split
from collections_app.operations.collections import Alias, get_collection
from collections_app.paging import page_by_time
from tenants.access import Scope

_PAGE = 48
_OFFERED = 12


class PeopleView(ConsoleView):
    """A collection's people."""

    template = "console/people.html"
    fragment = "console/_people.html"
    section = "collections"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Filter and show."""
        collection = get_collection(self.caller, name=Alias(alias))
        everybody = data_subject.browse_people(self.caller, collection=collection.name).only("collection", "created_at")
        chosen = PersonFilter(request.GET, everybody)
        oldest = request.GET.get("order") == "oldest"
        found = page_by_time(chosen.qs, request.GET.get("before", ""), field="created_at", size=_PAGE, oldest=oldest)
        summed = browse.sum_up(self.caller, people=[person.pk for person in found.rows])
        return self.page(collection=collection, filter=chosen, found=found, people=summed, tab="people")


class NamedView(ConsoleView):
    """People whose name or reference contains the typed text, for a picker; the query parameter may have any name."""

    needs = Scope.ENROL
    template = "console/_people_named.html"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Show a few, the newest first."""
        everybody = data_subject.browse_people(self.caller, collection=Alias(alias))
        typed = next(iter(request.GET.values()), "")
        chosen = PersonFilter({"person": typed}, everybody)
        return self.page(found=page_by_time(chosen.qs, "", field="created_at", size=_OFFERED))


class PersonView(FormView):
    """One person: faces, their similarity to one another, and corrections."""

    needs_to_change = Scope.ENROL
    template = "console/person.html"
    section = "collections"
    form = PersonForm

    def blank(self, **where: Any) -> Form:
        """Show the name and note."""
        person = data_subject.get_person(self.caller, collection=Alias(where["alias"]), person=where["person"])
        return PersonForm(initial={"name": person.name, "note": person.note})

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Change the name and note."""
        details, whom = data_subject.PersonDetails(**form.cleaned_data), where["person"]
        data_subject.update_person(self.caller, collection=Alias(where["alias"]), person=whom, details=details)
        return self.done(_("Saved."), "person", **where)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show their faces."""
        collection = get_collection(self.caller, name=Alias(where["alias"]))
        below = "below" in self.request.GET
        found = merge_split.portrait(self.caller, collection=collection.name, person=where["person"], below=below)
        return self.page(status, collection=collection, form=form, portrait=found, tab="people")


class EraseView(FormView):
    """Erase a person with all their faces; the name must be typed."""

    needs = Scope.DELETE
    template = "console/person_erase.html"
    section = "collections"

    def blank(self, **where: Any) -> Form:
        """Ask for the name."""
        return EraseForm(name=str(self._person(**where)))

    def filled(self, **where: Any) -> Form:
        """Compare with the name."""
        return EraseForm(self.request.POST, name=str(self._person(**where)))

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Erase them and show the receipt."""
        collection, reason = Alias(where["alias"]), form.cleaned_data["reason"]
        receipt = data_subject.delete_person(self.caller, collection=collection, person=where["person"], reason=reason)
        return self.done(_("The person is erased. This is the receipt."), "receipt", receipt=receipt.uuid)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show what will be erased."""
        collection = get_collection(self.caller, name=Alias(where["alias"]))
        found = merge_split.portrait(self.caller, collection=collection.name, person=where["person"])
        return self.page(status, form=form, collection=collection, portrait=found)

    def _person(self, alias: str, person: int) -> Any:
        return data_subject.get_person(self.caller, collection=Alias(alias), person=person)


class ExportView(ConsoleView):
    """Export everything stored about a person; the export is in the audit log."""

    needs = Scope.ADMIN

    def get(self, request: HttpRequest, alias: str, person: int) -> HttpResponse:
        """Send the file."""
        record = data_subject.export_person(self.caller, collection=Alias(alias), person=person)
        return download(previews.subject(record), f"person-{person}.json")


class MergeView(ConsoleView):
    """Merge two people."""

    needs = Scope.ENROL

    def post(self, request: HttpRequest, alias: str, person: int) -> HttpResponse:
        """Merge the other one into this one."""
        collection = get_collection(self.caller, name=Alias(alias))
        values = self.values(MergeForm(request.POST))
        typed, other = values.pop("typed"), values.pop("other")
        values["other"] = other if other is not None else _meant(self, collection.name, typed)
        merged = merge_split.merge_people(self.caller, collection=collection.name, person=person, **values)
        kept = merged.person
        self.offer_undo("move", merged.undo)
        return self.done(_("The two people are merged."), "person", alias=collection.alias, person=kept.pk)


class MoveFacesView(ConsoleView):
    """Move selected faces to another person."""

    needs = Scope.ENROL

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Move them: to a person of the collection, or to a new one."""
        collection = get_collection(self.caller, name=Alias(alias))
        values = self.values(MoveFacesForm(all_that_match(self, collection.name)))
        if typed := values.pop("typed"):
            values["person"] = _meant(self, collection.name, typed)
        moved = merge_split.move_faces(self.caller, collection=collection.name, **values)
        target = moved.person
        self.offer_undo("move", moved.undo)
        return self.done(_("The faces are moved."), "person", alias=collection.alias, person=target.pk)


def _meant(view: ConsoleView, collection: str, typed: str) -> int:
    """Return the id of the person that typed text means.

    Raises:
        ValidationError: nobody or more than one person is meant.
    """
    found = named(data_subject.browse_people(view.caller, collection=collection), typed)
    if not found:
        raise ValidationError(_("Nobody in this collection has the name or reference “%(typed)s”.") % {"typed": typed})
    if len(found) > 1:
        sentence = _("Several people are named “%(typed)s”. Choose one from the list that appears while you type.")
        raise ValidationError(sentence % {"typed": typed})
    return int(found[0].pk)
