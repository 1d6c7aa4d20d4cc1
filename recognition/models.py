"""Galleries and the templates in them, encrypted."""

from typing import ClassVar

from django.db import models

from tenants.scope import TenantOwned


class Gallery(TenantOwned):
    """The templates of one collection, and the order in which they came and went.

    The row's lock is taken by every change, so sequence order is commit order: whoever reads `head` sees every change
    numbered up to it, in whatever process. The segments hold every template numbered up to `base`; `version` changes
    with every publication of segments. `mirrored`: the vectors stand in pgvector's table as well.
    """

    collection = models.OneToOneField(
        "collections_app.Collection", on_delete=models.CASCADE, primary_key=True, related_name="gallery"
    )
    pack = models.CharField(max_length=32)
    head = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    base = models.PositiveBigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0)
    mirrored = models.BooleanField(default=False)

    class Meta:
        """Named in the plural it has."""

        verbose_name_plural = "galleries"

    def __str__(self) -> str:
        """Name its collection."""
        return str(self.collection_id)


class Embedding(TenantOwned):
    """A face's template: a float32 unit vector, sealed by the tenant's vault."""

    face = models.OneToOneField(
        "collections_app.Face", on_delete=models.CASCADE, primary_key=True, related_name="embedding"
    )
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    sequence = models.PositiveBigIntegerField()
    sealed = models.BinaryField()

    class Meta:
        """Read by a gallery's sequence."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["gallery", "sequence"], name="embedding_sequence")]

    def __str__(self) -> str:
        """Name its face."""
        return str(self.face_id)


class Tombstone(TenantOwned):
    """Word of a template that left a gallery, for whoever still holds it. No biometrics in it.

    `added_seq` is the sequence number that the template had: it says which segment holds it.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="tombstones", db_index=False)
    sequence = models.PositiveBigIntegerField()
    added_seq = models.PositiveBigIntegerField()
    face_id = models.BigIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Read by a gallery's sequence."""

        indexes: ClassVar = [models.Index(fields=["gallery", "sequence"], name="tombstone_sequence")]

    def __str__(self) -> str:
        """Name the face that was."""
        return str(self.face_id)


class IndexSegment(TenantOwned):
    """A published file of templates: those of a gallery numbered `low` < sequence <= `high`.

    `rank1` and `recall` are what the self-test measured against exact search before it was published.
    """

    class Kind(models.TextChoices):
        """How it is searched."""

        FLAT = "flat"
        SCAN = "scan"
        GRAPH = "graph"

    class Condition(models.TextChoices):
        """Whether it can be used; everything but "sound" is rebuilt."""

        SOUND = "sound"
        MISSING = "missing"
        DAMAGED = "damaged"
        OUTDATED = "outdated"

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="segments", db_index=False)
    name = models.CharField(max_length=32, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    pack = models.CharField(max_length=32)
    low = models.PositiveBigIntegerField()
    high = models.PositiveBigIntegerField()
    rows = models.PositiveBigIntegerField()
    bytes = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)
    expansion = models.PositiveIntegerField(default=0)
    rank1 = models.FloatField()
    recall = models.FloatField()
    condition = models.CharField(max_length=8, choices=Condition, default=Condition.SOUND)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Read by gallery, in order of sequence."""

        indexes: ClassVar = [models.Index(fields=["gallery", "low"], name="segment_of_gallery")]

    def __str__(self) -> str:
        """Name the file."""
        return self.name


class Compaction(TenantOwned):
    """The work on a gallery's segments: who may publish, and how far it is.

    Whoever holds the lease has `token`; a worker that lost its lease finds another token and cannot publish.
    """

    gallery = models.OneToOneField(Gallery, on_delete=models.CASCADE, primary_key=True, related_name="compaction")
    token = models.PositiveBigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    began_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=16, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    stage_began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        """Name the stage."""
        return self.stage or "idle"
