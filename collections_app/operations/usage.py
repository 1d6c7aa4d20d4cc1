"""A tenant's use of the API."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from tenants.access import Caller, Scope
from tenants.models import UsageDay


def count_calls(caller: Caller, *, days: int) -> QuerySet[UsageDay]:
    """Return the tenant's calls of the last `days` UTC days by endpoint, newest day first, up to ten seconds late."""
    caller.require(Scope.READ)
    caller.require_whole_tenant()
    since = timezone.now().date() - timedelta(days=days)
    return UsageDay.objects.of(caller.tenant).filter(day__gt=since).order_by("-day", "operation")
