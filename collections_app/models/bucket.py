"""Buckets from which a tenant's requests may take images."""

from typing import ClassVar

from django.db import models

from tenants.scope import TenantOwned, random_id


class Bucket(TenantOwned):
    """An S3 bucket of the tenant's own, with credentials of its own; the tenant's vault seals the secret."""

    id = models.BigIntegerField(primary_key=True, default=random_id, editable=False)
    name = models.CharField(max_length=255)
    endpoint = models.CharField(max_length=500)
    region = models.CharField(max_length=64)
    access_key_id = models.CharField(max_length=128)
    sealed_secret = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """One bucket of a name."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "name"], name="bucket_name")]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
