"""The request log of a tenant: what was asked with its keys, how it was answered, and why it was refused."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import OuterRef, QuerySet, Subquery

from collections_app.models import Collection, SearchRecord
from tenants.access import Caller, Scope
from tenants.models import ApiKey, LoggedRequest

_DURING = timedelta(minutes=2)  # a request and its search are at most this far apart


@dataclass(frozen=True, slots=True)
class Traced:
    """A logged request, and the search that it made, if any."""

    request: LoggedRequest
    search: SearchRecord | None


def browse_requests(caller: Caller) -> QuerySet[LoggedRequest]:
    """Return the requests of the last REQUEST_LOG_DAYS, with `key_name` and `collection_name` (or None).

    A request is listed some seconds after its answer. Requests with unknown keys are not listed, only counted.
    """
    caller.require(Scope.AUDIT)
    keys = ApiKey.objects.of(caller.tenant).filter(pk=OuterRef("key")).values("name")
    collections = Collection.objects.of(caller.tenant).filter(pk=OuterRef("collection_id")).values("name")
    names = {"key_name": Subquery(keys[:1]), "collection_name": Subquery(collections[:1])}
    logged: QuerySet[LoggedRequest] = LoggedRequest.objects.of(caller.tenant).annotate(**names)
    return caller.within(logged, "collection_id")


def trace_request(caller: Caller, *, request: int) -> Traced | None:
    """Return a logged request by its row's id, with its search; None: there is none within reach."""
    caller.require(Scope.AUDIT)
    found = browse_requests(caller).filter(pk=request).first()
    if found is None:
        return None
    span = (found.at - _DURING, found.at + _DURING)
    searches = SearchRecord.objects.of(caller.tenant).filter(at__range=span, request_id=found.request_id)
    return Traced(found, searches.filter(actor_id=found.key).first())
