"""Galleries and the templates in them, encrypted."""

from typing import ClassVar

from django.db import models

from tenants.scope import TenantOwned


class Gallery(TenantOwned):
    """The templates of one collection, and the order in which they came and went.

    The row's lock is taken by every change, so sequence order is commit order: whoever reads `head` sees every change
    numbered up to it, in whatever process.
    """

    collection = models.OneToOneField(
        "collections_app.Collection", on_delete=models.CASCADE, primary_key=True, related_name="gallery"
    )
    pack = models.CharField(max_length=32)
    head = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)

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
    """Word of a template that left a gallery, for the processes that still hold it. No biometrics in it."""

    gallery = models.ForeignKey(Gallery, on_delete=models.CASCADE, related_name="tombstones", db_index=False)
    sequence = models.PositiveBigIntegerField()
    face_id = models.BigIntegerField()

    class Meta:
        """Read by a gallery's sequence."""

        indexes: ClassVar = [models.Index(fields=["gallery", "sequence"], name="tombstone_sequence")]

    def __str__(self) -> str:
        """Name the face that was."""
        return str(self.face_id)
