"""The search log."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.native.wire.base import LONGEST, Likeness, Listing, Page, Percent, likeness, significant
from collections_app.dialects.native.wire.faces import Whose
from collections_app.models import SearchRecord
from collections_app.operations import thresholds


class SearchesPage(Page):
    """The query of GET /searches."""

    collection = serializers.CharField(required=False, max_length=LONGEST, help_text="A collection's name.")
    outcome = serializers.ChoiceField(SearchRecord.Outcome.choices, required=False)


class RecordedSearch(serializers.Serializer[Any]):
    """A search in the log, which never stores the probe."""

    id = serializers.CharField(source="uuid")
    at = serializers.DateTimeField()
    collection = serializers.CharField(source="collection.name")
    name = serializers.CharField(source="request_name", help_text="The name that the caller chose.")
    outcome = serializers.ChoiceField(SearchRecord.Outcome.choices)
    threshold = serializers.SerializerMethodField()
    liveness = Percent(allow_null=True)
    calibration = serializers.IntegerField(
        allow_null=True, help_text="The version of the collection's calibration; null: scores were plain."
    )
    gallery_size = serializers.IntegerField()
    milliseconds = serializers.FloatField()
    actor = serializers.CharField(source="actor_id", help_text="The id of the key or user that searched.")
    via = serializers.CharField()
    request_id = serializers.CharField()

    @extend_schema_field(Likeness)
    def get_threshold(self, record: SearchRecord) -> dict[str, Any]:
        """What a match had to reach."""
        return likeness(record.applied.score)


class Searches(Listing):
    """The answer to GET /searches."""

    searches = RecordedSearch(many=True)


class Candidate(Likeness):
    """A face near to the probe; `person` is null after its erasure."""

    face = serializers.CharField()
    person = Whose(allow_null=True)


class CohortRate(serializers.Serializer[Any]):
    """How many strangers of a cohort reach the threshold, and how many people that was measured on."""

    cohort = serializers.CharField()
    people = serializers.IntegerField()
    false_match_rate = serializers.FloatField()


class OwnRate(serializers.Serializer[Any]):
    """How many strangers of the collection itself reach the threshold, with the 95 % interval."""

    people = serializers.IntegerField()
    false_match_rate = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class Measured(serializers.Serializer[Any]):
    """What the threshold's false match rate was measured on, and the cohort of the model pack where it is highest.

    `collection` is null until the collection has strangers enough.
    """

    population = CohortRate()
    worst_cohort = CohortRate()
    collection = OwnRate(allow_null=True)


def own_rate(own: thresholds.OwnRate | None) -> dict[str, Any] | None:
    """Return the values for OwnRate."""
    if own is None:
        return None
    rates = {"false_match_rate": own.rate, "low": own.low, "high": own.high}
    return {"people": own.people, **{name: significant(rate) for name, rate in rates.items()}}


class ExplainedSearch(RecordedSearch):
    """A search and the faces nearest to its probe above the collection's floor, best first."""

    measured_on = serializers.SerializerMethodField()
    candidates = serializers.SerializerMethodField()

    @extend_schema_field(Measured)
    def get_measured_on(self, record: SearchRecord) -> Any:
        """Name the populations behind the threshold's false match rate."""
        meaning = self.context["meaning"]
        measured = ((meaning.population, meaning.false_match_rate), (meaning.worst_cohort, meaning.worst_rate))
        population, worst = (
            {"cohort": cohort.name, "people": cohort.people, "false_match_rate": significant(rate)}
            for cohort, rate in measured
        )
        return {"population": population, "worst_cohort": worst, "collection": own_rate(meaning.own)}

    @extend_schema_field(Candidate(many=True))
    def get_candidates(self, record: SearchRecord) -> Any:
        """Add the similarity of each."""
        shown = [
            {"face": one.uuid, "person": one.face and one.face.person, **likeness(one.score)}
            for one in self.context["candidates"]
        ]
        return Candidate(shown, many=True).data
