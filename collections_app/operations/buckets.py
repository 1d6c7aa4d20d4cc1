"""S3 buckets from which a tenant's requests may take images: the tenant's own, with its own credentials.

An object is fetched by a signed URL, under the same rules as any other image by URL (collections_app.safe_http).
"""

from django.db import transaction
from django.db.models import QuerySet
from storages.backends.s3 import S3Storage

from collections_app import safe_http
from collections_app.errors import ImageUrlRefused, InvalidRequest
from collections_app.image_url import ImageUrl
from collections_app.models import Bucket
from tenants import audit
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.vault import Vault

MOST = 20  # buckets of a tenant
_URL_SECONDS = 60


def list_buckets(caller: Caller) -> QuerySet[Bucket]:
    """Return the tenant's buckets by name."""
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    return Bucket.objects.of(caller.tenant).order_by("name")


def put_bucket(
    caller: Caller, *, name: str, endpoint: str, region: str, access_key_id: str, secret_access_key: str
) -> Bucket:
    """Let requests take images from a bucket, with these credentials from now on.

    Raises:
        InvalidRequest: the endpoint is malformed or leads to an address that is not allowed.
        QuotaExceeded: the tenant has MOST buckets already.
    """
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    try:
        safe_http.check(endpoint, safe_http.PORTS)
    except safe_http.UrlRefused as error:
        raise InvalidRequest("endpoint", f"cannot be asked: {error.reason}") from error
    with transaction.atomic():
        caller.tenant.lock()
        mine = Bucket.objects.of(caller.tenant)
        bucket = mine.filter(name=name).first() or Bucket(tenant=caller.tenant, name=name)
        if bucket._state.adding and mine.count() >= MOST:  # noqa: SLF001 -- Django documents it
            raise QuotaExceeded("buckets", MOST)
        bucket.endpoint, bucket.region, bucket.access_key_id = endpoint, region, access_key_id
        bucket.sealed_secret = Vault.of(caller.tenant).seal(secret_access_key.encode(), _context(bucket))
        bucket.save()
        audit.record(caller, "bucket.set", bucket, name=name, endpoint=endpoint)
    return bucket


def delete_bucket(caller: Caller, *, name: str) -> None:
    """Take no more images from a bucket, and delete its credentials here; it is no error if there is none."""
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    with transaction.atomic():
        found = None if "\0" in name else Bucket.objects.of(caller.tenant).filter(name=name).first()
        if found is not None:
            audit.record(caller, "bucket.removed", found, name=name)
            found.delete()


def object_url(caller: Caller, bucket: str, name: str, version: str = "") -> ImageUrl:
    """Return where to fetch an object of a configured bucket; the operation that gets it checks scopes. No operation.

    Raises:
        ImageUrlRefused: the tenant has configured no such bucket.
    """
    found = Bucket.objects.of(caller.tenant).filter(name=bucket).first()
    if found is None:
        raise ImageUrlRefused("no such bucket is configured")
    storage = S3Storage(
        bucket_name=found.name,
        endpoint_url=found.endpoint,
        region_name=found.region,
        access_key=found.access_key_id,
        secret_key=Vault.of(caller.tenant).open(bytes(found.sealed_secret), _context(found)).decode(),
        security_token=None,  # never the server's own, which the environment may have
        session_profile=None,
        signature_version="s3v4",
        addressing_style="path",
        querystring_expire=_URL_SECONDS,
    )
    return ImageUrl(storage.url(name, {"VersionId": version} if version else None), safe_http.PORTS)


def _context(bucket: Bucket) -> str:
    return f"bucket:{bucket.pk}"
