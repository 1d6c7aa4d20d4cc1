"""Galleries and the templates in them, encrypted."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from tenants.scope import TenantOwned, random_id


class Gallery(TenantOwned):
    """The templates of one collection by one pack, and the order in which they were added and removed.

    A collection that changes its pack has two for a while; `Collection.gallery` is the one that searches read.

    Every change takes the lock of this row, so sequence order is commit order: a process that reads `head` sees every
    change up to that number. The segments hold every template up to `base`; `version` changes with every publication of
    segments. `mirrored`: the vectors are also in the pgvector table. `calibrated` is the version of the calibration by
    which scores are normalised, 0 without one.
    """

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    collection = models.ForeignKey("collections_app.Collection", on_delete=models.CASCADE, related_name="galleries")
    pack = models.CharField(max_length=32)
    head = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    base = models.PositiveBigIntegerField(default=0)
    version = models.PositiveBigIntegerField(default=0)
    mirrored = models.BooleanField(default=False)
    calibrated = models.PositiveIntegerField(default=0, db_default=0)
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        """A collection has one gallery of a pack."""

        verbose_name_plural = "galleries"
        constraints: ClassVar = [models.UniqueConstraint(fields=["collection", "pack"], name="gallery_of_pack")]

    def __str__(self) -> str:
        """Return its id."""
        return str(self.pk)


class Embedding(TenantOwned):
    """A face's template in a gallery: a float32 unit vector, sealed by the tenant's vault."""

    pk = models.CompositePrimaryKey("face", "gallery")
    face = models.ForeignKey(
        "collections_app.Face", on_delete=models.CASCADE, related_name="embeddings", db_index=False
    )
    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    sequence = models.PositiveBigIntegerField()
    sealed = models.BinaryField()

    class Meta:
        """Embeddings are read by the sequence of their gallery."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["gallery", "sequence"], name="embedding_sequence")]

    def __str__(self) -> str:
        """Return the id of its face."""
        return str(self.face_id)


class Tombstone(TenantOwned):
    """Records that a template was removed, for processes and segments that still hold it. It holds no biometrics.

    `added_seq` is the sequence number of the template, which tells which segment holds it.
    """

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="tombstones", db_index=False)
    sequence = models.PositiveBigIntegerField()
    added_seq = models.PositiveBigIntegerField()
    face_id = models.BigIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Tombstones are read by the sequence of their gallery."""

        indexes: ClassVar = [models.Index(fields=["gallery", "sequence"], name="tombstone_sequence")]

    def __str__(self) -> str:
        """Return the id of the removed face."""
        return str(self.face_id)


class Calibration(TenantOwned):
    """What a gallery's scores are measured against (recognition.calibration.calibrated); a job renews it.

    `sealed` is the mean of its strangers' templates and the cosines that they reach at certain rates, sealed by the
    tenant's vault; null while there are too few strangers. `version` changes with it. `tail` says how often they reach
    a score (recognition.calibration.tail.Tail); empty while that is not known. `head` is the gallery's at that time.
    """

    gallery = models.OneToOneField(Gallery, on_delete=models.CASCADE, primary_key=True, related_name="calibration")
    version = models.PositiveIntegerField(default=0)
    sealed = models.BinaryField(null=True)
    strangers = models.PositiveIntegerField()
    tail = models.JSONField(default=dict)
    head = models.PositiveBigIntegerField(default=0, db_default=0)
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """The oldest are renewed first."""

        indexes: ClassVar = [models.Index(fields=["made_at"], name="calibration_by_time")]

    def __str__(self) -> str:
        """Return the version."""
        return str(self.version)


class IndexSegment(TenantOwned):
    """A published file with the templates of a gallery for which `low` < sequence <= `high`.

    `rank1` and `recall` were measured by the self-test, against exact search, before publication.
    """

    class Kind(models.TextChoices):
        """How the segment is searched."""

        FLAT = "flat"
        SCAN = "scan"
        GRAPH = "graph"

    class Condition(models.TextChoices):
        """Whether the segment can be used; it is rebuilt unless it is "sound"."""

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
        """Segments are read by gallery, in order of sequence."""

        indexes: ClassVar = [models.Index(fields=["gallery", "low"], name="segment_of_gallery")]

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.name


class Compaction(TenantOwned):
    """The lease on the segments of a gallery, and the progress of the work.

    The holder of the lease has `token`; a worker that lost its lease finds another token and cannot publish.
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
        """Return the stage."""
        return self.stage or "idle"
