"""The filters of lists. The queries come from operations, already scoped; nothing here names a model."""

import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any

import django_filters as filters
from django import forms
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from collections_app import identifiers
from collections_app.console.labels import OUTCOMES, REASONS, VIAS

_BETWEEN = " · "
ORDERS = [("oldest", _("oldest first"))]
QUALITIES = [("none", _("no problems")), *REASONS.items()]


def midnight(day: date) -> datetime:
    """Return the moment at which a day begins, in the member's time zone; the first and the last days are UTC's."""
    zone = timezone.get_current_timezone() if date.min.year < day.year < date.max.year else UTC
    return datetime.combine(day, time.min, zone)


def end_of_day(day: date) -> datetime:
    """Return the end of a day, or the largest datetime for the last representable day."""
    return midnight(day + timedelta(days=1)) if day < date.max else datetime.max.replace(tzinfo=UTC)


class DayFilter(filters.DateFilter):  # type: ignore[misc]  # untyped
    """From or until a day, inclusive. Compares datetimes, so that an index applies; comparing dates would not."""

    def __init__(self, *, field_name: str, label: Any, until: bool = False) -> None:
        """Use the browser's own date picker."""
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(field_name=field_name, label=label, lookup_expr="lt" if until else "gte", widget=widget)
        self._until = until

    def filter(self, rows: QuerySet[Any], value: date | None) -> QuerySet[Any]:
        """Compare with midnight."""
        if value is None:
            return rows
        compared: QuerySet[Any] = super().filter(rows, end_of_day(value) if self._until else midnight(value))
        return compared


def _order() -> filters.ChoiceFilter:
    """Offer to reverse the list; the paging applies the order."""
    return filters.ChoiceFilter(
        label=_("Order"), choices=ORDERS, empty_label=_("newest first"), method=lambda rows, _name, _value: rows
    )


class ConsoleFilter(filters.FilterSet):  # type: ignore[misc]  # untyped
    """Filters in the console's style."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Set the widgets' classes."""
        super().__init__(*args, **kwargs)
        for field in self.form.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select form-select-sm" if select else "form-control form-control-sm"
        self.form.label_suffix = ""

    @property
    def in_use(self) -> int:
        """The number of filters that are set."""
        return sum(bool(self.form.data.get(name)) for name in self.form.fields)


class FaceFilter(ConsoleFilter):
    """Faces by person, time, quality, liveness and who enrolled them."""

    person = filters.CharFilter(label=_("Person"), method="of_person")
    since = DayFilter(label=_("Enrolled from"), field_name="created_at")
    until = DayFilter(label=_("Enrolled until"), field_name="created_at", until=True)
    quality = filters.ChoiceFilter(label=_("Quality"), choices=QUALITIES, method="of_quality", empty_label=_("any"))
    liveness = filters.NumberFilter(
        label=_("Liveness below"),
        field_name="liveness",
        lookup_expr="lt",
        min_value=0,
        max_value=1,
    )
    via = filters.ChoiceFilter(label=_("Enrolled through"), choices=tuple(VIAS.items()), empty_label=_("any"))
    key = filters.CharFilter(label=_("Key or user id"), field_name="actor_id")
    order = _order()

    def __init__(self, *args: Any, people: QuerySet[Any], **kwargs: Any) -> None:
        """Keep the people among whom to look for a name."""
        super().__init__(*args, **kwargs)
        self._people = people

    def of_person(self, faces: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match the faces of people whose name or reference contains the value.

        The `+ 0` keeps the database from collecting and sorting all faces of all matching people.
        """
        people = _called(self._people, value).values("pk")
        theirs: QuerySet[Any] = faces.annotate(owner=F("person_id") + 0).filter(owner__in=people)
        return theirs

    def of_quality(self, faces: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match faces with this quality problem, or with none."""
        return faces.filter(quality_reasons=[]) if value == "none" else faces.filter(quality_reasons__icontains=value)


class SearchFilter(ConsoleFilter):
    """Searches by outcome, time, collection and who asked."""

    outcome = filters.ChoiceFilter(label=_("Decision"), choices=tuple(OUTCOMES.items()), empty_label=_("any"))
    since = DayFilter(label=_("From"), field_name="at")
    until = DayFilter(label=_("Until"), field_name="at", until=True)
    collection = filters.CharFilter(label=_("Collection"), method="of_collection")
    via = filters.ChoiceFilter(label=_("Through"), choices=tuple(VIAS.items()), empty_label=_("any"))
    key = filters.CharFilter(label=_("Key or user id"), field_name="actor_id")
    request = filters.CharFilter(label=_("Request name"), field_name="request_name", lookup_expr="icontains")
    order = _order()

    def of_collection(self, searches: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match the searches in collections of this name, deleted ones too."""
        return searches.filter(collection__name_key=identifiers.comparison_key(value))


ANSWERS = {
    "answered": _("successful"),
    "unsuccessful": _("not successful"),
    "refused": _("refused"),
    "failed": _("failed in the server"),
}
_REFUSED, _FAILED = 400, 500  # the first HTTP status of each kind


class RequestFilter(ConsoleFilter):
    """Requests by how they were answered, time, key, contract, collection and id."""

    answer = filters.ChoiceFilter(
        label=_("Answer"), choices=tuple(ANSWERS.items()), method="of_answer", empty_label=_("any")
    )
    since = DayFilter(label=_("From"), field_name="at")
    until = DayFilter(label=_("Until"), field_name="at", until=True)
    key = filters.CharFilter(label=_("Key id"), field_name="key")
    via = filters.ChoiceFilter(label=_("Through"), choices=tuple(VIAS.items()), empty_label=_("any"))
    operation = filters.CharFilter(label=_("Endpoint"), lookup_expr="icontains")
    code = filters.CharFilter(label=_("Code"))
    collection = filters.CharFilter(label=_("Collection"), method="of_collection")
    request_id = filters.CharFilter(label=_("Request id"))
    order = _order()

    def of_answer(self, requests: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match the requests that were answered, refused, or failed in the server.

        Some contracts refuse with status 200: a refusal has a code.
        """
        if value == "failed":
            return requests.filter(status__gte=_FAILED)
        refused = Q(status__gte=_REFUSED) | ~Q(code="")
        if value == "answered":
            return requests.exclude(refused)
        return requests.filter(refused, **({"status__lt": _FAILED} if value == "refused" else {}))

    def of_collection(self, requests: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match the requests about collections of this name, deleted ones too."""
        return requests.filter(collection_name__iexact=value)


class PersonFilter(ConsoleFilter):
    """People by name or reference."""

    person = filters.CharFilter(label=_("Name or reference"), method="of_person")
    order = _order()

    def of_person(self, people: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Match a part of the name or reference."""
        return _called(people, value)


def label_of(person: Any) -> str:
    """Return what a picker shows for a person: the name and, where it has one, the reference."""
    return f"{person.name}{_BETWEEN}{person.reference}" if person.name else str(person)


def named(people: QuerySet[Any], typed: str) -> list[Any]:
    """Return the people that typed text means: a picker's label, else a reference, else a name; two at most."""
    forms = {typed, *(unicodedata.normalize(form, typed) for form in ("NFC", "NFD"))}
    references = {one.rpartition(_BETWEEN)[2] for one in forms} | forms
    known = list(people.filter(reference__in=references))
    found = [person for person in known if label_of(person) in forms] or [
        one for one in known if one.reference in forms
    ]
    return found or list(people.filter(reduce(or_, (Q(name__iexact=one) for one in forms)))[:2])


def _called(people: QuerySet[Any], part: str) -> QuerySet[Any]:
    """Match a part of the name or reference in either Unicode normal form: names are stored as they were sent."""
    forms = {part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD"))}
    matches = (Q(name__icontains=one) | Q(reference__icontains=one) for one in forms)
    return people.filter(reduce(or_, matches))
