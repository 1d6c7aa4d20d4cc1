"""What lists can be narrowed by. The queries come from operations, scoped already; nothing here names a model."""

from typing import Any

import django_filters as filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from collections_app.console.forms import DIALECTS, OUTCOMES, QUALITIES


def _day() -> forms.DateInput:
    return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class ConsoleFilter(filters.FilterSet):  # type: ignore[misc]  # untyped
    """Filters in the console's clothes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Dress the widgets."""
        super().__init__(*args, **kwargs)
        for field in self.form.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select form-select-sm" if select else "form-control form-control-sm"
        self.form.label_suffix = ""

    @property
    def in_use(self) -> int:
        """How many filters are set."""
        return sum(bool(self.form.data.get(name)) for name in self.form.fields)


class FaceFilter(ConsoleFilter):
    """Faces by person, time, quality, liveness and who enrolled them."""

    person = filters.CharFilter(label=_("Person"), method="of_person")
    since = filters.DateFilter(
        label=_("Enrolled from"), field_name="created_at", lookup_expr="date__gte", widget=_day()
    )
    until = filters.DateFilter(
        label=_("Enrolled until"), field_name="created_at", lookup_expr="date__lte", widget=_day()
    )
    quality = filters.ChoiceFilter(label=_("Quality"), choices=QUALITIES, method="of_quality", empty_label=_("any"))
    liveness = filters.NumberFilter(
        label=_("Liveness below"),
        field_name="liveness",
        lookup_expr="lt",
        widget=forms.NumberInput(attrs={"step": "0.05", "min": "0", "max": "1"}),
    )
    via = filters.ChoiceFilter(label=_("Enrolled through"), choices=DIALECTS, empty_label=_("any"))
    key = filters.CharFilter(label=_("Key or user id"), field_name="actor_id")

    def of_person(self, faces: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match a person's name or reference by a part."""
        del name
        return faces.filter(Q(person__name__icontains=value) | Q(person__reference__icontains=value))

    def of_quality(self, faces: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match faces with this reason against them, or with none."""
        del name
        return faces.filter(quality_reasons=[]) if value == "none" else faces.filter(quality_reasons__icontains=value)


class SearchFilter(ConsoleFilter):
    """Searches by outcome, time, collection and who asked."""

    outcome = filters.ChoiceFilter(label=_("Decision"), choices=OUTCOMES, empty_label=_("any"))
    since = filters.DateFilter(label=_("From"), field_name="at", lookup_expr="date__gte", widget=_day())
    until = filters.DateFilter(label=_("Until"), field_name="at", lookup_expr="date__lte", widget=_day())
    collection = filters.CharFilter(label=_("Collection"), field_name="collection__name")
    via = filters.ChoiceFilter(label=_("Through"), choices=DIALECTS, empty_label=_("any"))
    key = filters.CharFilter(label=_("Key or user id"), field_name="actor_id")
    request = filters.CharFilter(label=_("Request name"), field_name="request_name", lookup_expr="icontains")


class PersonFilter(ConsoleFilter):
    """People by name or reference."""

    person = filters.CharFilter(label=_("Name or reference"), method="of_person")

    def of_person(self, people: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match by a part."""
        del name
        return people.filter(Q(name__icontains=value) | Q(reference__icontains=value))
