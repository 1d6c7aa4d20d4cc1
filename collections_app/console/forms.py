"""The forms of a tenant's pages. Choices never come from a table: no form can name another tenant's rows."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from collections_app.console.errors import REASONS
from collections_app.dialects import DIALECTS
from collections_app.identifiers import comparison_key
from recognition.similarity import LOWEST, Threshold

OUTCOMES = [("match", _("match")), ("no_match", _("no match")), ("spoof", _("refused: liveness"))]
KINDS = [
    ("face.enrolled", _("a face is enrolled")),
    ("face.deleted", _("faces are erased")),
    ("search.matched", _("a search finds somebody")),
    ("collection.index_ready", _("an index is made")),
    ("audit.alert", _("an alert is raised")),
]
ROLES = [("owner", _("Owner")), ("admin", _("Administrator")), ("operator", _("Operator")), ("auditor", _("Auditor"))]
VIAS = [
    *((dialect.name, dialect.label) for dialect in DIALECTS),
    ("console", _("this console")),
    ("system", _("the platform itself")),
]
QUALITIES = [("none", _("nothing wrong")), *REASONS.items()]
ERASURES = [
    ("face", _("face")),
    ("person", _("person")),
    ("collection", _("collection")),
    ("tenant", _("tenant")),
    ("retention", _("faces past their time")),
]
STORES = [
    ("face records", _("face records")),
    ("people", _("people")),
    ("templates", _("templates")),
    ("kept answers", _("kept answers")),
    ("kept images", _("kept images")),
    ("index files", _("index files")),
    ("data keys", _("data keys")),
]
IMAGES = [("none", _("Nothing")), ("crop", _("The face, cut out")), ("original", _("The whole image"))]
_LONGEST = 255


class ConsoleForm(forms.Form):
    """A form in the console's clothes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the widgets."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                dress = "form-check-input"
            elif isinstance(widget, forms.Select):
                dress = "form-select"
            else:
                dress = "form-range" if getattr(widget, "input_type", "") == "range" else "form-control"
            widget.attrs["class"] = dress


def offer(form: forms.Form, name: str, choices: Iterable[tuple[str, Any]]) -> None:
    """Give a field its choices, which are known only now."""
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField):
        field.choices = list(choices)


class ScoreField(forms.FloatField):
    """A score that a collection may ask for."""

    def __init__(self, **more: Any) -> None:
        """Bound it."""
        super().__init__(min_value=LOWEST.score, max_value=100, step_size=None, **more)

    def clean(self, value: Any) -> Any:
        """Take the score as a threshold."""
        score = super().clean(value)
        return None if score is None else Threshold(score)


class PolicyForm(ConsoleForm):
    """A collection's name and policy, in the operations' own names."""

    name = forms.CharField(
        label=_("Name"), max_length=_LONGEST, strip=False, help_text=_("Programs name the collection by it.")
    )
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    similarity_threshold = ScoreField(
        label=_("Similarity threshold"),
        help_text=_("The score from which on two faces count as one person. Of what is less alike nothing is told."),
    )
    similarity_floor = ScoreField(
        label=_("Let programs ask for less, down to"),
        required=False,
        help_text=_("Empty: nothing below the threshold is told. Some twenty answers from below it rebuild a face."),
    )
    liveness_on_enrol = forms.BooleanField(label=_("Check liveness on enrolment"), required=False)
    liveness_on_search = forms.BooleanField(label=_("Check liveness on search"), required=False)
    liveness_threshold = forms.FloatField(
        label=_("Liveness threshold"),
        min_value=0.0,
        max_value=1.0,
        help_text=_(
            "0 is a picture of a face, 1 a live face. A passive check of one image stops the simple tricks only."
        ),
    )
    duplicates = forms.ChoiceField(
        label=_("A face that is already here under another person"),
        choices=[("allow", _("Enrol it all the same")), ("refuse", _("Refuse it"))],
    )
    quality_gate = forms.ChoiceField(
        label=_("Quality gate for enrolment"),
        choices=[("none", _("Off: take every face")), ("standard", _("Standard")), ("strict", _("Strict"))],
        help_text=_("A template from a poor image matches strangers. The gate says why it refuses."),
    )
    images = forms.ChoiceField(
        label=_("Keep of an enrolled image"),
        choices=IMAGES,
        help_text=_("Encrypted with the tenant's own key. Without an image a face shows here as its outline."),
    )
    consent_required = forms.BooleanField(label=_("Ask for a reference to the person's consent"), required=False)
    retention_days = forms.IntegerField(
        label=_("Erase faces after so many days"),
        min_value=1,
        max_value=36_500,
        required=False,
        help_text=_("Empty: keep them."),
    )
    face_limit = forms.IntegerField(label=_("Most faces"), min_value=1)


class NewCollectionForm(ConsoleForm):
    """A collection to be."""

    name = forms.CharField(
        label=_("Name"), max_length=_LONGEST, strip=False, help_text=_("Programs name the collection by it.")
    )
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    pack = forms.ChoiceField(
        label=_("Model pack"), help_text=_("Fixed for the life of the collection: templates of two packs never meet.")
    )
    images = forms.ChoiceField(label=_("Keep of an enrolled image"), choices=IMAGES, initial="none")

    def __init__(self, *args: Any, packs: tuple[str, ...], **kwargs: Any) -> None:
        """Offer the packs that there are."""
        super().__init__(*args, **kwargs)
        offer(self, "pack", ((pack, pack) for pack in packs))


class TypedNameForm(ConsoleForm):
    """The confirmation of something that cannot be undone: type the name."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        """Keep what is to be typed."""
        super().__init__(*args, **kwargs)
        self._name = name
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": name}

    def clean_typed(self) -> str:
        """Refuse everything else."""
        typed: str = self.cleaned_data["typed"]
        if comparison_key(typed) != comparison_key(self._name):
            raise forms.ValidationError(_("This is not the name."))
        return typed


class EraseForm(TypedNameForm):
    """The confirmation of an erasure, and why."""

    reason = forms.CharField(
        label=_("Reason"), max_length=_LONGEST, required=False, help_text=_("It stands in the audit log.")
    )


class PersonForm(ConsoleForm):
    """What a person is called."""

    name = forms.CharField(label=_("Name"), max_length=_LONGEST, required=False)
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))


class ChosenFacesForm(ConsoleForm):
    """Faces that were ticked, and why something is done with them."""

    faces = forms.MultipleChoiceField(label=_("Faces"))
    reason = forms.CharField(label=_("Reason"), max_length=_LONGEST, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take any ids: the operation knows which are there."""
        super().__init__(*args, **kwargs)
        sent = self.data.getlist("faces") if isinstance(self.data, MultiValueDict) else []
        offer(self, "faces", ((face, face) for face in sent))


class MoveFacesForm(ChosenFacesForm):
    """Where ticked faces go: to a person by id, or to a new person."""

    person = forms.IntegerField(label=_("Person"), required=False)
    name = forms.CharField(label=_("Name of the new person"), max_length=_LONGEST, required=False)


class MergeForm(ConsoleForm):
    """Whom to merge into a person."""

    other = forms.IntegerField(label=_("The other person"))
    reason = forms.CharField(label=_("Reason"), max_length=_LONGEST, required=False)


class DoNotEnrolForm(ConsoleForm):
    """Somebody who is not to be enrolled, or is to be again."""

    reference = forms.CharField(
        label=_("Reference"), max_length=_LONGEST, strip=False, help_text=_("Your own id for the person.")
    )
    change = forms.ChoiceField(choices=[("add", ""), ("remove", "")], initial="add", widget=forms.HiddenInput)


class InviteForm(ConsoleForm):
    """Whom to invite, as what."""

    email = forms.EmailField(label=_("Email"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=ROLES, initial="operator")


class RoleForm(ConsoleForm):
    """A member's new role."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLES)


class TenantForm(ConsoleForm):
    """The tenant's settings: its name, and those that each dialect has of its own."""

    name = forms.CharField(label=_("Name"), max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what the dialects' descriptors have to choose from."""
        super().__init__(*args, **kwargs)
        for dialect in DIALECTS:
            if setting := dialect.profiles:
                field = forms.ChoiceField(label=setting.label, help_text=setting.help, choices=setting.choices)
                self.fields[f"{dialect.name}_profile"] = field

    @staticmethod
    def now(tenant: Any) -> dict[str, str]:
        """Return the settings as they are."""
        profiles = {f"{one.name}_profile": one.profile(tenant.profiles) for one in DIALECTS if one.profiles}
        return {"name": tenant.name, **profiles}

    def clean(self) -> dict[str, Any]:
        """Gather the dialects' settings by the dialect's name."""
        given = super().clean() or {}
        chosen = {one.name: given.pop(f"{one.name}_profile", None) for one in DIALECTS if one.profiles}
        return {**given, "profiles": {name: value for name, value in chosen.items() if value}}


class WebhookForm(ConsoleForm):
    """Where to tell of what."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        help_text=_("Ours is a POST with JSON, signed as the Standard Webhooks specification says."),
    )
    kinds = forms.MultipleChoiceField(label=_("Tell when"), choices=KINDS, widget=forms.CheckboxSelectMultiple)
