"""What an operator may do with tenants. Inside one, they call the tenant's own operations (Operator.within)."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet

from collections_app import bulk
from collections_app.errors import InvalidRequest, JobNotFound
from collections_app.models import BulkJob, HealthReport
from collections_app.operations import health, jobs, webhooks
from tenants import audit, lifecycle
from tenants.access import Scope
from tenants.errors import TenantNotFound
from tenants.models import Delivery, Tenant
from tenants.operators import Operator
from tenants.scope import as_id

M = TypeVar("M", bound=Model)


def list_tenants(caller: Operator, *, limit: int, after: str = "") -> list[Tenant]:
    """List up to `limit` tenants by slug, beginning after one; erased ones are not listed."""
    caller.require(Scope.READ)
    return list(_present().filter(slug__gt=after).order_by("slug")[:limit])


def get_tenant(caller: Operator, *, tenant: str) -> Tenant:
    """Return a tenant by its slug.

    Raises:
        TenantNotFound: none has it, or it was erased.
    """
    caller.require(Scope.READ)
    found = None if "\0" in tenant else _present().filter(slug=tenant).first()
    if found is None:
        raise TenantNotFound(tenant)
    return found


def create_tenant(caller: Operator, *, tenant: str, values: Mapping[str, Any]) -> Tenant | None:
    """Create a tenant of this slug with these values, as put_tenant does; None: the slug is taken."""
    caller.require(Scope.ADMIN)
    taken = Tenant.objects.filter(slug=tenant).exists()
    return None if taken else put_tenant(caller, tenant=tenant, values=values)


def put_tenant(caller: Operator, *, tenant: str, values: Mapping[str, Any]) -> Tenant:
    """Create a tenant of this slug unless there is one, and set these values; repeating it changes nothing.

    `values` are the model's own: name, state, profiles, quotas and limits.

    Raises:
        InvalidRequest: the slug or a value cannot be used.
    """
    caller.require(Scope.ADMIN)
    try:
        return _put(caller, tenant, values)
    except IntegrityError:  # another request has just created it
        return _put(caller, tenant, values)


@transaction.atomic
def _put(caller: Operator, slug: str, values: Mapping[str, Any]) -> Tenant:
    found = Tenant.objects.select_for_update(no_key=True).filter(slug=slug).first()
    if found is None:
        name = values.get("name", slug)
        try:
            Tenant(slug=slug, name=name).full_clean(validate_unique=False)
        except ValidationError as error:
            field, problems = next(iter(error.message_dict.items()))
            raise InvalidRequest("tenant" if field == "slug" else field, " ".join(problems)) from None
        found = lifecycle.create_tenant(slug, name)
    elif found.state == Tenant.State.ERASED:
        raise InvalidRequest("tenant", "was erased: choose another slug")
    lifecycle.change_tenant(caller.within(found), **values)
    return found


def retry(caller: Operator, *, tenant: str, work: str) -> None:
    """Have work of a tenant that failed done again: a bulk job, by its id, a health report, or a webhook's delivery.

    A job goes on with the rights of whoever asked for it.

    Raises:
        TenantNotFound, JobNotFound: there is no such tenant, or no such work that has failed.
    """
    caller.require(Scope.ADMIN)
    within = caller.within(get_tenant(caller, tenant=tenant))
    kind, _, number = work.partition("-")
    if kind == jobs.Kind.HEALTH:
        report = _failed(HealthReport.objects.of(within.tenant), HealthReport.State.FAILED, number)
        health.examine(within, collection=report.collection.name)
    elif kind == "delivery":
        delivery = _failed(Delivery.objects.of(within.tenant), Delivery.State.FAILED, number)
        webhooks.redeliver(within, webhook=str(delivery.webhook_id), delivery=number)
    else:
        job = _failed(jobs.bulk_jobs(within).filter(kind=kind), BulkJob.State.FAILED, number)
        with transaction.atomic():
            if bulk.start(job):
                audit.record(within, "job.resumed", job, kind=job.kind, refused=False, enrol=False)


def _failed(rows: QuerySet[M], state: str, number: str) -> M:
    found: M | None = rows.filter(state=state, pk=as_id(number) or 0).first()
    if found is None:
        raise JobNotFound
    return found


def _present() -> QuerySet[Tenant]:
    return Tenant.objects.exclude(state=Tenant.State.ERASED)
