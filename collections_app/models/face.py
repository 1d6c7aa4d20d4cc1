"""Enrolled faces, and the scores of them that were disclosed."""

from datetime import timedelta
from typing import ClassVar

from django.db import models

from collections_app.models.collection import Collection
from collections_app.models.fields import new_uuid
from collections_app.models.person import Person
from recognition.results import Box, Pose, Quality
from tenants.scope import TenantOwned, random_id


class Face(TenantOwned):
    """One enrolled face: its place in the image and the pipeline's results. recognition keeps its template.

    The box is in pixels of the upright image of `image_width` x `image_height`. `image` is an id that all faces of one
    enrolled image share. `number` counts the collection's enrolments, so that an order by number is an order by time
    without ties. `stored_frame` is the part of the upright image in the kept file: left, top, width, height in pixels.
    """

    spent: int  # what was charged to it, in tenths of a match: operations.budget.with_spent
    spent_by_caller: int
    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    uuid = models.CharField(max_length=36, unique=True, default=new_uuid, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="faces", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="faces", db_index=False)
    number = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    image = models.CharField(max_length=36)
    label = models.CharField(max_length=255, blank=True)
    image_width = models.PositiveIntegerField()
    image_height = models.PositiveIntegerField()
    box_x = models.FloatField()
    box_y = models.FloatField()
    box_width = models.FloatField()
    box_height = models.FloatField()
    landmarks = models.JSONField()
    confidence = models.FloatField()
    yaw = models.FloatField()
    pitch = models.FloatField()
    roll = models.FloatField()
    sharpness = models.FloatField()
    brightness = models.FloatField()
    vector_length = models.FloatField(null=True, help_text="Of the embedder's raw vector; null: not kept.")
    expected_miss = models.FloatField(null=True, help_text="How likely a good photograph fails to match.")
    quality_reasons = models.JSONField(default=list)
    liveness = models.FloatField(null=True)

    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    via = models.CharField(max_length=16)
    stored_image = models.CharField(max_length=255, blank=True)
    consent = models.CharField(max_length=255, blank=True, help_text="The caller's reference to the person's consent.")
    stored_frame = models.JSONField(default=list)

    class Meta:
        """Numbers are unique within a collection."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["collection", "number"], name="face_number")]
        # No index starts with the tenant: SQLite would use it to find a few ids, and read all faces of the tenant.
        indexes: ClassVar = [
            models.Index(fields=["collection", "created_at"], name="face_by_time"),
            models.Index(fields=["person", "number"], name="face_of_person"),
            models.Index(fields=["stored_image"], name="face_by_file"),
            # Covers every filter of the console's list of faces, in the order of the list.
            models.Index(
                fields=[
                    "collection",
                    "number",
                    "created_at",
                    "person",
                    "via",
                    "actor_id",
                    "liveness",
                    "quality_reasons",
                ],
                name="face_listing",
            ),
        ]

    def __str__(self) -> str:
        """Return its UUID."""
        return self.uuid

    @property
    def box(self) -> Box:
        """The face's place in the image."""
        return Box(self.box_x, self.box_y, self.box_width, self.box_height)

    @property
    def pose(self) -> Pose:
        """The face's pose, in degrees."""
        return Pose(self.yaw, self.pitch, self.roll)

    @property
    def quality(self) -> Quality:
        """The face's quality, and why the standard gate refuses it, if it does."""
        return Quality(
            self.sharpness,
            self.brightness,
            self.box.side,
            tuple(self.quality_reasons),
            length=self.vector_length,
            expected_miss=self.expected_miss,
        )


class NearMatch(TenantOwned):
    """One disclosed score that a stranger's picture could have reached (collections_app.operations.budget).

    `cost` is in tenths of a match. `spent` is the sum of this actor's costs for the face, this row included. `beside`
    is the id of the answer's best match, if that one scored like its owner. Kept for KEPT and no longer than the face.
    """

    KEPT = timedelta(days=30)

    face = models.ForeignKey(Face, on_delete=models.CASCADE, related_name="near_matches", db_index=False)
    actor_id = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)
    cosine = models.FloatField()
    cost = models.PositiveSmallIntegerField()
    spent = models.PositiveIntegerField()
    beside = models.BigIntegerField(null=True)

    class Meta:
        """Indexes: to sum costs by face, to find an actor's exhausted budgets, and to delete old rows."""

        indexes: ClassVar = [
            models.Index(fields=["face", "at", "cost", "actor_id"], name="near_match_of_face"),
            models.Index(fields=["actor_id", "spent", "at"], name="near_match_by_actor"),
            models.Index(fields=["at"], name="near_match_by_time"),
        ]

    def __str__(self) -> str:
        """Return the row's id."""
        return str(self.pk)
