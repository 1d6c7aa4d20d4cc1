"""The operator's lists of collections and searches; operators see no faces."""

from django.contrib import admin

from collections_app.models import Collection, SearchRecord
from tenants.admin import ReadOnly


@admin.register(Collection)
class CollectionAdmin(ReadOnly):
    """Collections and their policies."""

    list_display = ("name", "tenant", "pack", "state", "created_at")
    list_filter = ("state", "pack")
    search_fields = ("name",)


@admin.register(SearchRecord)
class SearchRecordAdmin(ReadOnly):
    """Searches and their outcomes."""

    list_display = ("at", "tenant", "collection", "outcome", "actor_name", "milliseconds")
    list_filter = ("outcome", "via")
