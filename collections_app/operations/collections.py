"""Make, find, change and delete collections. Longer than 300 lines: the verbs of one kind of row stay together."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from django.db import IntegrityError, transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast
from django.utils import timezone

from collections_app import erasure, galleries, identifiers, scoring
from collections_app.errors import CollectionDeleted, CollectionExists, CollectionNotFound
from collections_app.models import BarredReference, Collection, Receipt
from collections_app.operations.budget import exhausted_faces, limit_of
from recognition import packs
from recognition.errors import Busy
from recognition.index import calibrations
from recognition.models import Gallery
from recognition.similarity import DEFAULT, Threshold
from tenants import audit, request_log
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.models import AuditEntry, Tenant, Webhook
from tenants.prepared import Prepared
from tenants.queue import enqueue
from tenants.scope import as_id
from tenants.task_names import Task

MOST_TAGS = 200
Asks: TypeAlias = tuple[datetime, str, int]  # the parameters of exhausted_faces
POLICY = frozenset(
    {
        "description",
        "tags",
        "similarity_threshold",
        "similarity_floor",
        "review_threshold",
        "false_match_rate",
        "scale",
        "liveness_on_enrol",
        "liveness_on_search",
        "liveness_threshold",
        "duplicates",
        "quality_gate",
        "images",
        "retention_days",
        "face_limit",
        "consent_required",
    }
)


def _found(tenant: int, asks: Asks, **named: object) -> QuerySet[Collection]:
    """Return collections with their gallery and what else a request asks of every tenant, in one statement."""
    found = Collection.objects.of(Tenant(pk=tenant)).select_related("tenant", "gallery").filter(**named)
    hooks = Webhook.objects.of(Tenant(pk=tenant)).filter(active=True)
    annotated: QuerySet[Collection] = found.annotate(
        hooked=Exists(hooks),
        exhausted=Exists(exhausted_faces(tenant, *asks)),
        bars=_bars(tenant),
        changing=_changing(tenant),
    )
    return annotated


def _changing(tenant: int) -> Exists:
    others = Gallery.objects.of(Tenant(pk=tenant)).filter(collection=OuterRef("pk"))
    return Exists(others.exclude(pk=OuterRef("gallery_id")))


def _bars(tenant: int) -> Exists:
    return Exists(BarredReference.objects.of(Tenant(pk=tenant)).filter(collection=OuterRef("pk")))


def _locked(tenant: int, pk: int) -> QuerySet[Gallery]:
    return galleries.of_collection(Tenant(pk=tenant), pk).select_for_update(no_key=True)


def _under_lock(tenant: int, pk: int) -> Any:  # noqa: ANN401 -- a queryset of values
    found = Collection.objects.of(Tenant(pk=tenant)).filter(pk=pk)
    return found.values_list("state", "gallery_id", _bars(tenant), _changing(tenant))


_LOCKED, _UNDER_LOCK = Prepared(_locked, int, int), Prepared(_under_lock, int, int)
_ASKS = (datetime, str, int)
_OF_ALIAS = Prepared(lambda tenant, alias, *asks: _found(tenant, asks, alias=alias), int, str, *_ASKS)
_OF_ID = Prepared(lambda tenant, pk, *asks: _found(tenant, asks, pk=pk), int, int, *_ASKS)
_ACTIVE, _DELETED = (
    Prepared(lambda tenant, key, *asks, state=state: _found(tenant, asks, name_key=key, state=state), int, str, *_ASKS)
    for state in (Collection.State.ACTIVE, Collection.State.DELETED)
)


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """A page of collections, and whether there are more after it."""

    collections: tuple[Collection, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Alias:
    """A collection by its alias: the id that dialects and the console give out, which stays when the name changes."""

    id: str


def find(caller: Caller, collection: str | Alias) -> Collection:
    """Return the caller's active collection with its gallery; a text is its id, or else its name.

    Ids come before names, so that a collection cannot be renamed to take the place of another. Not an operation.

    Raises:
        CollectionNotFound: no collection within reach had this id, name or alias.
        CollectionDeleted: the last one that had it is deleted.
    """
    name = collection.id if isinstance(collection, Alias) else collection
    if "\0" in name:  # no name has one, and PostgreSQL refuses it in a query
        raise CollectionNotFound(name)
    tenant, asks = caller.tenant.pk, limit_of(caller)
    if isinstance(collection, Alias):
        return _reachable(caller, name, _OF_ALIAS(tenant, name, *asks))
    ours = as_id(identifiers.comparison_key(name))
    if ours is not None and (same := _OF_ID(tenant, ours, *asks)):
        return _reachable(caller, name, same)
    key = identifiers.comparison_key(name)
    named = _reached(caller, _ACTIVE(tenant, key, *asks))
    return _reachable(caller, name, named or _DELETED(tenant, key, *asks))


def lock(collection: Collection) -> Gallery:
    """Lock the collection until the caller's transaction ends; every change of its faces needs this lock.

    Returns the gallery that searches read now: `collection.gallery` may be that of before a change of the pack.

    Raises:
        CollectionDeleted: the collection was deleted in the meantime.
    """
    locked: dict[int, Gallery] = {one.pk: one for one in _LOCKED(collection.tenant.pk, collection.pk)}
    found = _UNDER_LOCK(collection.tenant.pk, collection.pk) or [(Collection.State.DELETED, None, True, False)]
    [(state, live, collection.bars, collection.changing)] = found
    if live not in locked or state == Collection.State.DELETED:
        raise CollectionDeleted(collection.name)
    locked[live].tenant = collection.tenant
    return locked[live]


def _lock_unswitched(collection: Collection) -> None:
    """Lock the collection, unless its pack was changed since it was read: its thresholds are on that pack's scale.

    Raises:
        Busy: it was; the next attempt reads the new pack.
    """
    if lock(collection).pack != collection.pack:
        raise Busy(retry_after=1.0)


def create_collection(
    caller: Caller,
    *,
    name: str,
    pack: str = packs.DEFAULT,
    distinct: bool = False,
    **policy: Any,  # noqa: ANN401
) -> Collection:
    """Make a collection; omitted fields of the policy have their defaults.

    The similarity threshold and floor are Thresholds. `distinct`: a name that is taken gets the alias behind it.

    Raises:
        InvalidRequest: a collection cannot have this name.
        ReachTooNarrow: the caller reaches only some collections, so it could not reach the new one.
        CollectionExists: the tenant has an active collection of this name.
        QuotaExceeded: the tenant has as many collections as its quota allows.
        django.core.exceptions.ValidationError: a value of the policy is out of bounds.
    """
    caller.require(Scope.ADMIN)
    caller.require_whole_tenant()
    identifiers.check("name", name)
    policy.setdefault("similarity_threshold", DEFAULT)
    collection = Collection(tenant=caller.tenant, name=name, pack=pack, **_known(policy, pack))
    if collection.false_match_rate is not None:
        collection.similarity_threshold = _threshold_at(collection)
    collection.full_clean(validate_unique=False, validate_constraints=False)
    living = Collection.objects.of(caller.tenant).filter(state=Collection.State.ACTIVE)
    quota = caller.tenant.collection_quota
    for wanted in _names(collection, name, distinct=distinct):
        collection.name = wanted
        with suppress(IntegrityError), transaction.atomic():
            if quota is not None:
                caller.tenant.lock()
                if living.count() >= quota:
                    raise QuotaExceeded("collections", quota)
            collection.save(force_insert=True)
            galleries.begin(collection)
            audit.record(caller, "collection.created", collection, name=wanted, pack=pack)
            return collection
    raise CollectionExists(name)


def list_collections(caller: Caller) -> QuerySet[Collection]:
    """Return the active collections within reach, with their galleries, by name."""
    caller.require(Scope.READ)
    living = Collection.objects.of(caller.tenant).filter(state=Collection.State.ACTIVE)
    return caller.within(living, "pk").select_related("gallery__calibration").order_by("name")


def page_collections(caller: Caller, *, limit: int, after: str | int = "") -> CollectionPage:
    """Return up to `limit` active collections within reach, by name, beginning after the name or the id `after`.

    The collection of an id may be deleted since: its row stays.
    """
    caller.require(Scope.READ)
    if isinstance(after, int):
        after = Collection.objects.of(caller.tenant).values_list("name", flat=True).get(pk=after)
    page = tuple(list_collections(caller).filter(name__gt=after)[: limit + 1])
    return CollectionPage(page[:limit], more=len(page) > limit)


def collection_names(caller: Caller, *, ids: Iterable[int]) -> dict[int, str]:
    """Return the names of active collections within reach by their ids."""
    caller.require(Scope.READ)
    return dict(list_collections(caller).filter(pk__in=set(ids)).values_list("pk", "name"))


def get_collection(caller: Caller, *, name: str | Alias) -> Collection:
    """Return a collection with its gallery."""
    caller.require(Scope.READ)
    return find(caller, name)


def oldest_collection(caller: Caller) -> Collection:
    """Return the oldest active collection within reach, for contracts that know only one.

    Raises:
        CollectionNotFound: there is none.
    """
    caller.require(Scope.READ)
    oldest = list_collections(caller).order_by("created_at", "pk").first()
    if oldest is None:
        raise CollectionNotFound("")
    return oldest


def own_collection(caller: Caller) -> Collection:
    """Return the living collection within reach that the caller made last through its dialect, else the oldest one.

    Raises:
        CollectionNotFound: there is none within reach.
    """
    caller.require(Scope.READ)
    entries = AuditEntry.objects.of(caller.tenant).filter(action="collection.created", target_kind="collection")
    made = entries.filter(actor_kind=caller.kind, actor_id=caller.id, via=caller.via)
    own = list_collections(caller).filter(Exists(made.filter(target_id=Cast(OuterRef("pk"), CharField()))))
    return own.order_by("-created_at", "-pk").first() or oldest_collection(caller)


def update_collection(
    caller: Caller,
    *,
    collection: str | Alias,
    name: str | None = None,
    distinct: bool = False,
    **policy: Any,  # noqa: ANN401
) -> Collection:
    """Change a collection's name or policy; its ids stay. The similarity threshold and floor are Thresholds.

    `distinct`: a name that is taken gets the alias behind it.

    Raises:
        InvalidRequest: a collection cannot have this name.
        ReachTooNarrow: the name changes and the caller reaches only some collections: CollectionExists would disclose
            the names of the others.
        CollectionExists: the tenant has another active collection of this name.
        django.core.exceptions.ValidationError: a value is out of bounds.
    """
    caller.require(Scope.ADMIN)
    collection = find(caller, collection)
    wanted = _known(policy, collection.pack) | ({} if name is None else {"name": name})
    if "similarity_threshold" in wanted:
        wanted.setdefault("false_match_rate", None)
    after = {field: value for field, value in wanted.items() if value != getattr(collection, field)}
    before = {field: getattr(collection, field) for field in after}
    if "name" in after:
        caller.require_whole_tenant()
        identifiers.check("name", after["name"])
    for field, value in after.items():
        setattr(collection, field, value)
    if after.get("false_match_rate") is not None:
        collection.similarity_threshold = _threshold_at(collection)
    collection.full_clean(validate_unique=False, validate_constraints=False)
    named = after.pop("name", None)
    fields = [*after, "name", "name_key", "similarity_threshold"]
    for one in _names(collection, named, distinct=distinct) if named else [collection.name]:
        collection.name = one
        with suppress(IntegrityError), transaction.atomic():
            _lock_unswitched(collection)
            collection.save(update_fields=fields)
            if "scale" in after:
                calibrations.forget_tail(collection.gallery)
                transaction.on_commit(lambda: enqueue(Task.CALIBRATE_COLLECTION, collection.pk))
            if named:
                facts = {"before": before.pop("name"), "after": one}
                audit.record(caller, "collection.renamed", collection, **facts)
            if after:
                audit.record(caller, "collection.policy_changed", collection, before=before, after=after)
            return collection
    raise CollectionExists(collection.name)


def tag_collection(
    caller: Caller, *, collection: str, tags: Mapping[str, str] = MappingProxyType({}), without: Sequence[str] = ()
) -> Collection:
    """Add tags to a collection, or replace those of the same name; then remove those named in `without`.

    Raises:
        QuotaExceeded: it would have more than MOST_TAGS.
    """
    caller.require(Scope.ADMIN)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        collection.refresh_from_db(fields=["tags"])
        before = collection.tags
        collection.tags = {name: text for name, text in (before | dict(tags)).items() if name not in without}
        if len(collection.tags) > MOST_TAGS:
            raise QuotaExceeded("tags", MOST_TAGS)
        if collection.tags != before:
            collection.save(update_fields=["tags"])
            facts = {"before": {"tags": before}, "after": {"tags": collection.tags}}
            audit.record(caller, "collection.policy_changed", collection, **facts)
    return collection


def delete_collection(caller: Caller, *, name: str | Alias) -> Receipt:
    """Delete a collection: no search finds it when this returns; a worker then erases its templates and images."""
    caller.require(Scope.DELETE)
    caller.require(Scope.ADMIN)  # only administrators make and delete collections
    collection = find(caller, name)
    with transaction.atomic():
        gallery = lock(collection)
        collection.state, collection.deleted_at = Collection.State.DELETED, timezone.now()
        collection.save(update_fields=["state", "deleted_at"])
        kind, faces = Receipt.Kind.COLLECTION, gallery.size
        receipt = erasure.begin(caller, kind=kind, subject=str(collection.pk), collection=collection, face_count=faces)
        facts = {"name": collection.name, "faces": faces, "receipt": receipt.uuid}
        audit.record(caller, "collection.deleted", collection, **facts)
        transaction.on_commit(lambda: enqueue(Task.PURGE_COLLECTION, collection.pk))
    return receipt


def _names(collection: Collection, name: str, *, distinct: bool) -> list[str]:
    """Return the names to try, one after the other."""
    longer = f"{name} ({collection.alias})"
    return [name, longer] if distinct and len(longer) <= identifiers.LONGEST else [name]


def _threshold_at(collection: Collection) -> float:
    """Return the similarity threshold that stands for the collection's false match rate, as a cosine."""
    threshold = scoring.threshold_at(collection, collection.false_match_rate or 0)
    return threshold.on(packs.get(collection.pack).similarity)


def _known(policy: dict[str, Any], pack: str) -> dict[str, Any]:
    unknown = policy.keys() - POLICY
    if unknown:
        message = f"No policy is called {', '.join(sorted(unknown))}."
        raise TypeError(message)
    scale = packs.get(pack).similarity
    return {field: value.on(scale) if isinstance(value, Threshold) else value for field, value in policy.items()}


def _reached(caller: Caller, candidates: Sequence[Collection]) -> list[Collection]:
    return [one for one in candidates if caller.reaches(one.pk)]


def _reachable(caller: Caller, name: str, candidates: Sequence[Collection]) -> Collection:
    """Return the active one; of two, the one spelt exactly so. If there is only a deleted one, say that."""
    reached = _reached(caller, candidates)
    if not reached:
        raise CollectionNotFound(name)
    found = min(reached, key=lambda one: (one.state, one.name != name))  # "active" sorts before "deleted"
    request_log.named_collection(found.pk)
    if found.state == Collection.State.DELETED:
        raise CollectionDeleted(name)
    found.gallery.tenant = found.tenant
    return found
