"""Export of a whole tenant: its audit chain, collections, keys without secrets, webhooks and receipts, in one bundle.

The chain comes first, with the key that proves it, so that an import begins with it and goes on with it.
"""

import base64
from collections.abc import Iterator
from typing import IO, Any, TypeAlias

from django.db import transaction
from django.db.models import Model, QuerySet

from collections_app.bundle import Seal, Writer, seal_part
from collections_app.models import Receipt
from collections_app.operations.collections import list_collections
from collections_app.operations.export_bundle import manifest_of, write_collection
from tenants import audit, events, signing
from tenants.access import Caller, Scope
from tenants.models import ApiKey, AuditEntry, Webhook

Rows: TypeAlias = list[dict[str, Any]]
_ROWS_A_PART = 5_000
TENANT_FIELDS = ("slug", "name", "profiles", "face_quota", "collection_quota", "requests_per_minute", "calls_per_day")
AUDIT_FIELDS = ("number", *audit.SIGNED_FIELDS, "digest")
KEY_FIELDS = ("name", "scopes", "networks", "requests_per_minute", "calls_per_day")
KEY_TIMES = ("created_at", "expires_at", "revoked_at", "last_used_at")


def export_tenant(caller: Caller, *, out: IO[bytes], seal: Seal, images: bool = False) -> dict[str, int]:
    """Write everything of a tenant to a stream as a sealed bundle; return the counts.

    Whoever can open it has every template and can write into a copy of the audit log, so it takes Scope.SCORES too.
    Members stay behind: they are accounts of the installation.
    """
    caller.require(Scope.ADMIN)
    caller.require(Scope.SCORES)
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    collections = list(list_collections(caller).select_related("tenant"))
    manifest = manifest_of(caller, collections)
    with transaction.atomic():
        facts = {"bundle": manifest["id"], "collections": len(collections), "images": images}
        audit.record(caller, "tenant.exported", caller.tenant, **facts, sealed="passphrase" if seal.key else "age")
    writer = Writer(out, seal, "tenant")
    counts = {"collections": len(collections), "people": 0, "faces": 0, "images": 0}
    for kind, rows in _first(caller):
        writer.add(*seal_part(seal, writer.next_number, kind, "", rows))
    for collection in collections:
        for kind, count in write_collection(writer, seal, collection, images).items():
            counts[kind] += count
    for kind, rows in _last(caller):
        writer.add(*seal_part(seal, writer.next_number, kind, "", rows))
    writer.finish({**manifest, "counts": counts}, signing.signed)
    return counts


def _first(caller: Caller) -> Iterator[tuple[str, Rows]]:
    """Yield the tenant with the end of its audit chain, and the chain's entries up to there."""
    tenant = caller.tenant
    head, key = audit.chain_of(tenant)
    chain = {"number": head.number, "end": head.end, "key": base64.b64encode(key).decode()}
    yield "tenant", [{name: getattr(tenant, name) for name in TENANT_FIELDS} | {"chain": chain}]
    entries, after = AuditEntry.objects.of(tenant).filter(number__lte=head.number).order_by("number"), 0
    while page := list(entries.filter(number__gt=after)[:_ROWS_A_PART]):
        after = page[-1].number
        yield (
            "audit",
            [{"id": str(entry.pk), "at": entry.at.isoformat()} | _values(entry, AUDIT_FIELDS) for entry in page],
        )


def _last(caller: Caller) -> Iterator[tuple[str, Rows]]:
    """Yield keys (those that issue others first), webhooks and the receipts of completed erasures."""
    tenant = caller.tenant
    keys = ApiKey.objects.of(tenant).order_by("created_at", "pk")
    yield from _pages("keys", keys, _key_row)
    yield from _pages("webhooks", Webhook.objects.of(tenant).order_by("created_at", "pk"), _webhook_row)
    done = Receipt.objects.of(tenant).exclude(completed_at=None).order_by("requested_at", "pk")
    yield from _pages("receipts", done, lambda receipt: {"document": receipt.document})


def _pages(kind: str, rows: QuerySet[Any], shown: Any) -> Iterator[tuple[str, Rows]]:  # noqa: ANN401 -- a row's function
    page: Rows = []
    for row in rows.iterator(chunk_size=500):
        page.append(shown(row))
        if len(page) == _ROWS_A_PART:
            yield kind, page
            page = []
    if page:
        yield kind, page


def _key_row(key: ApiKey) -> dict[str, Any]:
    times = {name: moment.isoformat() if (moment := getattr(key, name)) else None for name in KEY_TIMES}
    reach = None if key.collections is None else [str(pk) for pk in key.collections]
    own = {"id": key.pk, "parent": key.parent_id, "collections": reach, "signs": key.signs}
    return own | _values(key, KEY_FIELDS) | times


def _webhook_row(hook: Webhook) -> dict[str, Any]:
    return {"id": str(hook.pk), "url": hook.url, "kinds": hook.kinds, "secret": events.secret_of(hook)}


def _values(row: Model, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
