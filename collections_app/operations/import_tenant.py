"""Import of a whole tenant from a bundle: a new tenant with the old one's audit chain, which goes on from there.

The tenant and its chain are one transaction. What follows skips rows that exist, as the import of a collection does,
so a second import finishes one that was stopped.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from collections_app import erasure
from collections_app.bundle import Bundle, Part
from collections_app.errors import InvalidRequest
from collections_app.models import Collection, Receipt
from collections_app.operations.export_tenant import AUDIT_FIELDS, KEY_FIELDS, KEY_TIMES, TENANT_FIELDS, Rows
from collections_app.operations.import_bundle import Imported, Keep, Place, begin, import_part
from collections_app.operations.import_rows import Ids, check_texts
from tenants import audit, events, keys, vault
from tenants.access import Caller, system
from tenants.models import ApiKey, AuditEntry, Tenant, Webhook

_OF_COLLECTIONS = frozenset({"collection", "nobody", "faces", "images", "barred"})
_WRONG = (ValidationError, DataError, KeyError, TypeError, ValueError, AttributeError)


def import_tenant(bundle: Bundle, slug: str = "", ids: Keep = "keep") -> tuple[Tenant, list[Imported]]:
    """Make the bundle's tenant, or finish making it; return it with the results of its collections. The operator's.

    Its keys open nothing until they are rotated, and its webhooks are switched off.

    Raises:
        InvalidRequest: it is no tenant's bundle, the slug is taken, or a row is not what it should be.
        The errors of import_collection.
    """
    if bundle.manifest["kind"] != "tenant" or not bundle.parts or bundle.parts[0].kind != "tenant":
        raise InvalidRequest("bundle", "it is one of a collection, not of a tenant")
    tenant = _tenant(bundle, slug, ids)
    caller = system(tenant, "import_bundle")
    place, done = Place(ids), dict[str, Imported]()
    for part in bundle.parts:
        if part.kind == "collection":
            done[part.collection] = begin(caller, bundle, part, place)
        elif part.kind in _OF_COLLECTIONS:
            import_part(caller, done[part.collection], bundle, part)
        elif part.kind not in {"tenant", "audit"}:
            _import_rows(caller, bundle, part, done, Ids(str(tenant.pk) if ids == "new" else ""))
    return tenant, list(done.values())


def _tenant(bundle: Bundle, slug: str, ids: Keep) -> Tenant:
    """Return the tenant that an import of the bundle made before, or make it with its audit chain."""
    [row] = bundle.rows(bundle.parts[0])
    check_texts(row)
    slug = slug or str(row.get("slug"))
    there = Tenant.objects.filter(slug=slug).first()
    mine = {"action": "tenant.imported", "facts__bundle": bundle.manifest.get("id")}
    if there is not None and AuditEntry.objects.of(there).filter(**mine).exists():
        return there
    try:
        tenant = Tenant(**{name: row[name] for name in TENANT_FIELDS} | {"slug": slug})
        tenant.full_clean(validate_unique=False)
        chain = row["chain"]
        with transaction.atomic():
            tenant.save(force_insert=True)
            vault.add_data_key(tenant)
            key = base64.b64decode(chain["key"], validate=True)
            end = {"number": chain["number"], "end": chain["end"]}
            audit.adopt(tenant, key, _entries(bundle, tenant), **end, new_ids=ids == "new")
            audit.record(system(tenant, "import_bundle"), "tenant.imported", tenant, bundle=bundle.manifest.get("id"))
    except IntegrityError:
        if there is None:
            raise InvalidRequest("ids", "some are taken here: import with new ids") from None
        raise InvalidRequest("slug", f"there is a tenant {slug!r} already: give the bundle's another") from None
    except (*_WRONG, binascii.Error) as error:
        raise InvalidRequest("bundle", f"its tenant or audit log is not as it should be: {error}"[:300]) from None
    return tenant


def _entries(bundle: Bundle, tenant: Tenant) -> Iterator[AuditEntry]:
    for part in bundle.parts:
        if part.kind == "audit":
            rows = bundle.rows(part)
            check_texts(rows)
            for row in rows:
                values = {name: row[name] for name in AUDIT_FIELDS}
                own = {"id": Ids().number("entry", row["id"]), "at": datetime.fromisoformat(row["at"])}
                yield AuditEntry(tenant=tenant, **own, **values)


def _import_rows(caller: Caller, bundle: Bundle, part: Part, done: Mapping[str, Imported], ids: Ids) -> None:
    takes = {"keys": _keys, "webhooks": _webhooks, "receipts": _receipts}
    if part.kind not in takes:
        raise InvalidRequest("bundle", f"it has a part of an unknown kind, {part.kind[:40]}")
    rows = bundle.rows(part)
    check_texts(rows)
    try:
        with transaction.atomic():
            takes[part.kind](caller.tenant, rows, {old: one.collection for old, one in done.items()}, ids)
    except IntegrityError:
        raise InvalidRequest("ids", "some are taken here: import with new ids") from None
    except _WRONG as error:
        raise InvalidRequest("bundle", f"{part.name} has a row that is not as it should be: {error}"[:300]) from None


def _keys(tenant: Tenant, rows: Rows, places: Mapping[str, Collection], ids: Ids) -> None:
    there = set(ApiKey.objects.of(tenant).values_list("pk", flat=True))
    for row in rows:
        pk = ids.key(row["id"])
        if pk in there:
            continue
        times = {name: datetime.fromisoformat(row[name]) if row[name] else None for name in KEY_TIMES}
        reach = None if row["collections"] is None else [places[one].pk for one in row["collections"] if one in places]
        parent = ids.key(row["parent"]) if row["parent"] else None
        key = ApiKey(id=pk, tenant=tenant, collections=reach, parent_id=parent, **_of(row, KEY_FIELDS) | times)
        key.secret_hash = b"" if row["signs"] else keys.unusable_hash()
        key.clean_fields(exclude=("tenant", "parent", "secret_hash", "previous", "networks", "collections"))
        key.save(force_insert=True)
        ApiKey.objects.of(tenant).filter(pk=pk).update(created_at=times["created_at"])


def _webhooks(tenant: Tenant, rows: Rows, places: Mapping[str, Collection], ids: Ids) -> None:
    there = set(Webhook.objects.of(tenant).values_list("pk", flat=True))
    for row in rows:
        pk = ids.number("webhook", row["id"])
        if pk not in there:
            hook = Webhook(
                id=pk, tenant=tenant, url=row["url"], kinds=[str(kind) for kind in row["kinds"]], active=False
            )
            hook.clean_fields(exclude=("tenant", "sealed_secret", "kinds"))
            events.seal_secret(hook, str(row["secret"]))
            hook.save(force_insert=True)


def _receipts(tenant: Tenant, rows: Rows, places: Mapping[str, Collection], ids: Ids) -> None:
    there = set(Receipt.objects.of(tenant).values_list("uuid", flat=True))
    for row in rows:
        document = row["document"]
        uuid = ids.uuid("receipt", document["id"])
        if uuid not in there:
            erasure.adopt_receipt(tenant, document, places.get(document["erased"]["collection"]), uuid)


def _of(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}
