"""The change of a collection's pack, while it answers."""

from typing import Any

from rest_framework import serializers

from collections_app import models
from collections_app.dialects.native.wire.base import Listing, Page, Points, cursor
from collections_app.dialects.native.wire.jobs import Job
from collections_app.dialects.openapi import example
from collections_app.operations.jobs import bulk_job
from collections_app.operations.model_changes import MOST_DAYS, Changed, Progress
from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES

Missing = Page
_STATES = models.ModelChange.State.choices


@example({"pack": "accurate", "retention_days": 14})
class NewModel(serializers.Serializer[Any]):
    """POST …/model."""

    pack = serializers.CharField(max_length=32)
    retention_days = serializers.IntegerField(
        min_value=0, max_value=MOST_DAYS, default=7, help_text="How long the old templates are kept after the switch."
    )
    false_match_rate = serializers.FloatField(
        required=False,
        allow_null=True,
        default=None,
        min_value=FALSE_MATCH_RATES[-1],
        max_value=1e-2,
        help_text="At which both packs are compared; default: the policy's, or 1e-4.",
    )


@example({"do": "switch"})
class Step(serializers.Serializer[Any]):
    """PATCH …/model."""

    do = serializers.ChoiceField(["switch", "roll_back", "compare"])
    leave_out = serializers.BooleanField(
        default=False, help_text="Although faces have no template of the pack: searches then do not find them."
    )


class Side(serializers.Serializer[Any]):
    """One pack on the collection's own faces: pairs in 280 equal bins of the cosine, and shares of these pairs."""

    pack = serializers.CharField()
    threshold = Points(help_text="The score that the policy asks for.")
    tar = serializers.FloatField(allow_null=True, help_text="Pairs of one person that reach it; null: no such pair.")
    fmr = serializers.FloatField(allow_null=True, help_text="Pairs of two people that reach it.")
    rate_threshold = Points(
        allow_null=True, help_text="The score that false_match_rate of the strangers reach; null: too few pairs."
    )
    rate_tar = serializers.FloatField(allow_null=True, help_text="Pairs of one person that reach that.")
    genuine = serializers.ListField(child=serializers.IntegerField(), help_text="Pairs of one person.")
    impostor = serializers.ListField(child=serializers.IntegerField(), help_text="Pairs of two people.")


class ChangedAnswer(serializers.Serializer[Any]):
    """A face for whom the packs name different people, of the collection's other faces; null: nobody."""

    kind = serializers.ChoiceField(
        ["lost", "gained", "other"], help_text="lost: only the old pack names the right person; gained: only the new."
    )
    face = serializers.CharField(source="face.uuid")
    person = serializers.CharField(source="face.person.reference")
    old = serializers.CharField(source="old.person.reference", allow_null=True, default=None)
    new = serializers.CharField(source="new.person.reference", allow_null=True, default=None)


class Comparison(serializers.Serializer[Any]):
    """Both packs on up to 5,000 of the collection's faces; `low` and `high` are the ends of the bins, cosines."""

    faces = serializers.IntegerField()
    people = serializers.IntegerField()
    false_match_rate = serializers.FloatField(source="rate")
    low = serializers.FloatField()
    high = serializers.FloatField()
    old = Side()
    new = Side()
    changed_counts = serializers.DictField(child=serializers.IntegerField())
    changed = ChangedAnswer(many=True, help_text="Up to 100 of them.")


class ModelChange(serializers.Serializer[Any]):
    """A change of a collection's pack; `pack` is the one that searches use now."""

    pack = serializers.CharField(source="collection.pack")
    old_pack = serializers.CharField(source="change.old_pack")
    new_pack = serializers.CharField(source="change.new_pack")
    state = serializers.ChoiceField(_STATES, source="change.state")
    retention_days = serializers.IntegerField(source="change.retention_days")
    faces = serializers.IntegerField()
    filled = serializers.IntegerField(help_text="Faces that have a template of both packs.")
    lacking_faces = serializers.IntegerField()
    lacking_people = serializers.IntegerField(help_text="Who must come again, since no image of a face is kept.")
    created_at = serializers.DateTimeField(source="change.created_at")
    switched_at = serializers.DateTimeField(source="change.switched_at", allow_null=True)
    rolls_back_until = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(source="change.ended_at", allow_null=True)
    receipt = serializers.CharField(source="change.receipt", help_text="Of the templates that the end erased.")
    job = Job(allow_null=True)
    comparison = Comparison(allow_null=True, help_text="null until the job is done.")


class MissingPerson(serializers.Serializer[Any]):
    """A person who must come again, and how many of the faces have no template."""

    id = serializers.CharField(source="pk")
    reference = serializers.CharField()
    name = serializers.CharField()
    faces = serializers.IntegerField(source="lacking")


class MissingPeople(Listing):
    """The answer to GET …/model/missing."""

    people = MissingPerson(many=True)


def rendered(progress: Progress, changed: list[Changed] | None = None) -> dict[str, Any]:
    """Render a change, with the answers that its comparison lists."""
    found = progress.change.comparison
    values = {name: getattr(progress, name) for name in ("change", "collection", "faces", "filled")}
    values |= {name: getattr(progress, name) for name in ("lacking_faces", "lacking_people", "rolls_back_until")}
    values["job"] = progress.job and bulk_job(progress.job)
    values["comparison"] = found and found | {
        "old": _side(found["old"]),
        "new": _side(found["new"]),
        "changed": changed or [],
    }
    values["comparison"] = values["comparison"] or None
    return ModelChange(values).data


def missing(people: list[Any], after: int | None) -> dict[str, Any]:
    """Render a page of the people who must come again."""
    return MissingPeople({"people": people, "next_cursor": None if after is None else cursor(after)}).data


def _side(side: dict[str, Any]) -> dict[str, Any]:
    score = packs.get(side["pack"]).similarity.score
    at = side["rate_threshold"]
    return side | {
        "threshold": float(score(side["threshold"])),
        "rate_threshold": None if at is None else float(score(at)),
    }
