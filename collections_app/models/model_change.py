"""A collection's change from one pack to another."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from collections_app.models.collection import Collection
from collections_app.models.jobs import BulkJob
from tenants.scope import TenantOwned, random_id


class ModelChange(TenantOwned):
    """A collection's change from the pack of its `old` gallery to that of its `new` one.

    While it is not ended, enrolments and erasures go to both galleries, and `Collection.gallery` is the one that
    searches read. `former` and `chosen` are the policy's thresholds on the two packs' scales, as they were at the last
    switch. `rate` is the false match rate at which both are compared; `comparison` is what
    collections_app.model_comparison found, empty until the job is done. `retention_days` is how long the old templates
    are kept after the switch.
    """

    class State(models.TextChoices):
        """How far it is; "switched": searches read the new gallery, and the old one is kept."""

        FILLING = "filling"
        READY = "ready"
        SWITCHED = "switched"
        ENDED = "ended"

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="model_changes")
    old = models.ForeignKey("recognition.Gallery", on_delete=models.SET_NULL, null=True, related_name="+")
    new = models.ForeignKey("recognition.Gallery", on_delete=models.SET_NULL, null=True, related_name="+")
    old_pack = models.CharField(max_length=32)
    new_pack = models.CharField(max_length=32)
    job = models.ForeignKey(BulkJob, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.FILLING)
    rate = models.FloatField()
    retention_days = models.PositiveIntegerField()
    former = models.JSONField(default=dict)
    chosen = models.JSONField(default=dict)
    comparison = models.JSONField(default=dict)
    receipt = models.CharField(max_length=36, blank=True, help_text="Of the templates that its end erased.")
    created_at = models.DateTimeField(auto_now_add=True)
    switched_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """A collection has one change at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collection"], condition=~Q(state="ended"), name="one_model_change")
        ]

    def __str__(self) -> str:
        """Return both packs."""
        return f"{self.old_pack} to {self.new_pack}"
