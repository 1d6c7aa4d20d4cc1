"""The forms of a tenant's pages. Choices never come from a model, so no form can name another tenant's rows."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from collections_app.console.labels import EVENTS, ROLES
from collections_app.dialects import DIALECTS
from collections_app.identifiers import comparison_key
from collections_app.operations.members import TIME_ZONES
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold

IMAGES = [("none", _("Nothing")), ("crop", _("Only the face")), ("original", _("The whole image"))]
LONGEST = 255


class ConsoleForm(forms.Form):
    """A form in the console's style."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set the widgets' classes."""
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, forms.CheckboxInput | forms.CheckboxSelectMultiple | forms.RadioSelect):
                style = "form-check-input"
            elif isinstance(widget, forms.Select):
                style = "form-select"
            else:
                style = "form-range" if getattr(widget, "input_type", "") == "range" else "form-control"
            widget.attrs["class"] = style


def offer(form: forms.Form, name: str, choices: Iterable[tuple[str, Any]]) -> None:
    """Set a field's choices, which are known only at request time."""
    field = form.fields[name]
    if isinstance(field, forms.ChoiceField):
        field.choices = list(choices)


class ScoreField(forms.FloatField):
    """A score that a collection may use as its threshold."""

    def __init__(self, **more: Any) -> None:
        """Set the bounds."""
        super().__init__(min_value=LOWEST.score, max_value=100, step_size=None, **more)

    def clean(self, value: Any) -> Any:
        """Return the score as a threshold."""
        score = super().clean(value)
        return None if score is None else Threshold(score)


class PolicyForm(ConsoleForm):
    """A collection's name and policy, in the operations' own names."""

    name = forms.CharField(
        label=_("Name"), max_length=LONGEST, strip=False, help_text=_("Programs refer to the collection by this name.")
    )
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    similarity_threshold = ScoreField(
        label=_("Similarity threshold"),
        help_text=_("Two faces with at least this score count as one person. Lower scores are not disclosed."),
    )
    false_match_rate = forms.FloatField(
        label=_("Or at most this share of strangers"),
        min_value=FALSE_MATCH_RATES[-1],
        max_value=1e-2,
        step_size=None,
        required=False,
        help_text=_(
            "Such as 0.0001. The threshold is then set by what is measured in this collection, again and again."
        ),
    )
    similarity_floor = ScoreField(
        label=_("Lowest threshold a program may request"),
        required=False,
        help_text=_(
            "Leave empty to disclose nothing below the threshold. About twenty scores below it can reconstruct a face."
        ),
    )
    scale = forms.ChoiceField(
        label=_("What scores are measured against"),
        choices=[
            ("normalised", _("The strangers of this collection, once there are 30")),
            ("measured", _("The strangers of this collection, at each rate that was measured here")),
            ("plain", _("Nothing: the model pack's own scale")),
        ],
        help_text=_("Among people whom the models saw rarely, strangers look more alike. Measuring corrects for that."),
    )
    liveness_on_enrol = forms.BooleanField(label=_("Check liveness on enrolment"), required=False)
    liveness_on_search = forms.BooleanField(label=_("Check liveness on search"), required=False)
    liveness_threshold = forms.FloatField(
        label=_("Liveness threshold"),
        min_value=0.0,
        max_value=1.0,
        help_text=_(
            "0 means a picture of a face, 1 a live person. One image stops prints and simple replays only: deepfakes, "
            "images injected in place of a camera's, and masks are out of its reach."
        ),
    )
    duplicates = forms.ChoiceField(
        label=_("If the face is already enrolled under another person"),
        choices=[("allow", _("Enrol it anyway")), ("refuse", _("Refuse it"))],
    )
    quality_gate = forms.ChoiceField(
        label=_("Quality gate for enrolment"),
        choices=[("none", _("Off: accept every face")), ("standard", _("Standard")), ("strict", _("Strict"))],
        help_text=_("Poor images lead to false matches. When a face is refused, the reason is given."),
    )
    images = forms.ChoiceField(
        label=_("Image to keep after enrolment"),
        choices=IMAGES,
        help_text=_("Encrypted with the tenant's own key. Without an image, a face is shown as an outline."),
    )
    consent_required = forms.BooleanField(label=_("Require a consent reference"), required=False)
    retention_days = forms.IntegerField(
        label=_("Erase faces after (days)"),
        min_value=1,
        max_value=36_500,
        required=False,
        help_text=_("Leave empty to keep them."),
    )
    face_limit = forms.IntegerField(label=_("Maximum number of faces"), min_value=1)


class AimForm(forms.Form):
    """One false match in so many searches among so many faces."""

    searches = forms.IntegerField(min_value=1, max_value=1_000_000_000)
    faces = forms.IntegerField(min_value=1, max_value=1_000_000_000)


class NewCollectionForm(ConsoleForm):
    """A new collection."""

    name = forms.CharField(
        label=_("Name"), max_length=LONGEST, strip=False, help_text=_("Programs refer to the collection by this name.")
    )
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    pack = forms.ChoiceField(
        label=_("Model pack"),
        help_text=_("To change it later, each face's template is made anew from what is kept of its image."),
    )
    images = forms.ChoiceField(label=_("Image to keep after enrolment"), choices=IMAGES, initial="none")

    def __init__(self, *args: Any, packs: tuple[str, ...], **kwargs: Any) -> None:
        """Offer the installed packs."""
        super().__init__(*args, **kwargs)
        offer(self, "pack", ((pack, pack) for pack in packs))


class TypedNameForm(ConsoleForm):
    """The confirmation of something that cannot be undone: the name must be typed."""

    typed = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        """Keep the expected name."""
        super().__init__(*args, **kwargs)
        self._name = name
        self.fields["typed"].label = _("Type “%(name)s” to confirm") % {"name": name}

    def clean_typed(self) -> str:
        """Refuse a different name."""
        typed: str = self.cleaned_data["typed"]
        if comparison_key(typed) != comparison_key(self._name):
            raise forms.ValidationError(_("This is not the name."))
        return typed


class TimeZoneForm(ConsoleForm):
    """The time zone of a member."""

    name = forms.ChoiceField(label=_("Time zone"), choices=[(zone, zone) for zone in TIME_ZONES])


class DoNotEnrolForm(ConsoleForm):
    """An entry to add to the do-not-enrol list or to remove from it."""

    reference = forms.CharField(
        label=_("Reference"),
        max_length=LONGEST,
        strip=False,
        help_text=_("The id that your own system uses for the person."),
    )
    change = forms.ChoiceField(choices=[("add", ""), ("remove", "")], initial="add", widget=forms.HiddenInput)


class InviteForm(ConsoleForm):
    """An invitation: the address and the role."""

    email = forms.EmailField(label=_("Email"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=tuple(ROLES.items()), initial="operator")


class RoleForm(ConsoleForm):
    """A member's new role."""

    role = forms.ChoiceField(label=_("Role"), choices=tuple(ROLES.items()))


class TenantForm(ConsoleForm):
    """The tenant's settings: its name and the dialects' own settings."""

    name = forms.CharField(label=_("Name"), max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add a field for each dialect that has a setting."""
        super().__init__(*args, **kwargs)
        for dialect in DIALECTS:
            if setting := dialect.profiles:
                field = forms.ChoiceField(
                    label=setting.label,
                    help_text=setting.help,
                    choices=setting.choices,
                    widget=forms.Select(attrs={"class": "form-select"}),
                )
                self.fields[f"{dialect.name}_profile"] = field

    @staticmethod
    def initial_for(tenant: Any) -> dict[str, str]:
        """Return the current settings."""
        profiles = {f"{one.name}_profile": one.profile(tenant.profiles) for one in DIALECTS if one.profiles}
        return {"name": tenant.name, **profiles}

    def clean(self) -> dict[str, Any]:
        """Collect the dialects' settings by dialect name."""
        values = super().clean() or {}
        chosen = {one.name: values.pop(f"{one.name}_profile", None) for one in DIALECTS if one.profiles}
        return {**values, "profiles": {name: value for name, value in chosen.items() if value}}


class WebhookForm(ConsoleForm):
    """A webhook's URL and events."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
        help_text=_("We send a POST request with JSON, signed according to the Standard Webhooks specification."),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Notify when"), choices=tuple(EVENTS.items()), widget=forms.CheckboxSelectMultiple
    )


class ImportForm(ConsoleForm):
    """How an import treats its pictures; the files are read from the request."""

    dry_run = forms.BooleanField(label=_("Only check; store nothing"), required=False)
    largest = forms.BooleanField(label=_("Of several faces take the largest"), required=False)
    existing = forms.ChoiceField(
        label=_("People who are there already"),
        choices=[
            ("add", _("get another face")),
            ("replace", _("get their faces replaced")),
            ("skip", _("are skipped")),
        ],
    )
    consent = forms.CharField(label=_("Reference to consent"), max_length=LONGEST, required=False)
    job = forms.CharField(widget=forms.HiddenInput, required=False)
    start = forms.BooleanField(widget=forms.HiddenInput, required=False, initial=True)
