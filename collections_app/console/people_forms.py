"""The forms about people and faces: details, moves, merges, erasures, requests of data subjects."""

from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import LONGEST, ConsoleForm, TypedNameForm, offer
from tenants.scope import as_id


class EraseForm(TypedNameForm):
    """The confirmation of an erasure, and its reason."""

    reason = forms.CharField(
        label=_("Reason"), max_length=LONGEST, required=False, help_text=_("Recorded in the audit log.")
    )


class PersonForm(ConsoleForm):
    """A person's name and note."""

    name = forms.CharField(label=_("Name"), max_length=LONGEST, required=False)
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))


class ChosenFacesForm(ConsoleForm):
    """Selected faces, and the reason for the change."""

    faces = forms.MultipleChoiceField(label=_("Faces"))
    reason = forms.CharField(label=_("Reason"), max_length=LONGEST, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Accept any ids: the operation refuses unknown ones."""
        super().__init__(*args, **kwargs)
        sent = self.data.getlist("faces") if isinstance(self.data, MultiValueDict) else []
        offer(self, "faces", ((face, face) for face in sent))


class MoveFacesForm(ChosenFacesForm):
    """Where selected faces go: to a person by id or as typed, or to a new person."""

    person = forms.IntegerField(label=_("Person"), required=False)
    typed = forms.CharField(label=_("Person"), max_length=2 * LONGEST + 3, required=False)
    name = forms.CharField(label=_("Name of the new person"), max_length=LONGEST, required=False)


class MergeForm(ConsoleForm):
    """The person to merge into another one: by id or as typed."""

    other = forms.IntegerField(label=_("The other person"), required=False)
    typed = forms.CharField(label=_("The other person"), max_length=2 * LONGEST + 3, required=False)
    reason = forms.CharField(label=_("Reason"), max_length=LONGEST, required=False)

    def clean(self) -> dict[str, Any]:
        """Require an id or a typed name."""
        values = super().clean() or {}
        if values.get("other") is None and not values.get("typed"):
            self.add_error("typed", self.fields["typed"].error_messages["required"])
        return values


class SubjectForm(ConsoleForm):
    """The people of a data subject's request, and the reason for their erasure."""

    people = forms.TypedMultipleChoiceField(label=_("People"), coerce=int)
    reason = forms.CharField(label=_("Reason"), max_length=LONGEST, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Accept any ids: the operation refuses unknown ones."""
        super().__init__(*args, **kwargs)
        sent = self.data.getlist("people") if isinstance(self.data, MultiValueDict) else []
        offer(self, "people", ((person, person) for person in sent if as_id(person) is not None))
