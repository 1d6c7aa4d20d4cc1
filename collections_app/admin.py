"""The operator's lists of collections and searches, where operators see no faces; and the admin's words in Korean."""

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from collections_app.models import Collection, SearchRecord
from tenants.admin import ReadOnly

# The names of models and fields that the admin shows, as Django makes them of their names in the code.
NAMES = {
    "access attempt": _("access attempt"),
    "access attempts": _("access attempts"),
    "access failure": _("access failure"),
    "access failures": _("access failures"),
    "access log": _("access log"),
    "access logs": _("access logs"),
    "action": _("action"),
    "actor id": _("actor id"),
    "actor kind": _("actor kind"),
    "actor name": _("actor name"),
    "address": _("address"),
    "alias": _("alias"),
    "api key": _("API key"),
    "api keys": _("API keys"),
    "at": _("time"),
    "audit entries": _("audit entries"),
    "audit entry": _("audit entry"),
    "authenticator": _("authenticator"),
    "authenticators": _("authenticators"),
    "best": _("best match"),
    "calibration": _("calibration"),
    "calls per day": _("calls per day"),
    "candidates": _("candidates"),
    "collection": _("collection"),
    "collection quota": _("collection quota"),
    "collections": _("collections"),
    "confirmed": _("confirmed"),
    "consent required": _("consent required"),
    "created at": _("created at"),
    "deleted at": _("deleted at"),
    "description": _("description"),
    "digest": _("digest"),
    "duplicates": _("duplicates"),
    "expires at": _("expires at"),
    "face limit": _("face limit"),
    "face quota": _("face quota"),
    "facts": _("facts"),
    "false match rate": _("false match rate"),
    "gallery size": _("faces compared"),
    "images": _("images"),
    "last used at": _("last used at"),
    "liveness": _("liveness"),
    "liveness on enrol": _("liveness on enrolment"),
    "liveness on search": _("liveness on search"),
    "liveness threshold": _("liveness threshold"),
    "member": _("member"),
    "members": _("members"),
    "milliseconds": _("milliseconds"),
    "name": _("name"),
    "name key": _("name as compared"),
    "networks": _("networks"),
    "number": _("number"),
    "operator key": _("operator key"),
    "operator keys": _("operator keys"),
    "outcome": _("outcome"),
    "pack": _("model pack"),
    "parent": _("issued by key"),
    "previous": _("earlier secrets"),
    "profiles": _("API versions"),
    "quality gate": _("quality gate"),
    "request id": _("request id"),
    "request name": _("request name"),
    "requests per minute": _("requests per minute"),
    "retention days": _("retention in days"),
    "review threshold": _("review threshold"),
    "revoked at": _("revoked at"),
    "role": _("role"),
    "scale": _("scale of scores"),
    "scopes": _("permissions"),
    "search record": _("search"),
    "search records": _("searches"),
    "similarity floor": _("similarity floor"),
    "similarity threshold": _("similarity threshold"),
    "slug": _("short name"),
    "state": _("state"),
    "tags": _("tags"),
    "target id": _("target id"),
    "target kind": _("target kind"),
    "tenant": _("tenant"),
    "tenants": _("tenants"),
    "threshold": _("threshold"),
    "time zone": _("time zone"),
    "user": _("user"),
    "via": _("through"),
}


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


def _name(model: type[Model]) -> None:
    """Have the admin call a model and its fields by their names in the page's language; the schema stays the same."""
    options = model._meta
    for what in ("verbose_name", "verbose_name_plural"):
        setattr(options, what, NAMES.get(str(getattr(options, what)), getattr(options, what)))
    for field in options.fields:
        field.verbose_name = NAMES.get(str(field.verbose_name), field.verbose_name)


_APPS = {"tenants": _("Tenants"), "collections_app": _("Collections"), "axes": _("Sign-ins that failed")}
for _app, _title in _APPS.items():
    apps.get_app_config(_app).verbose_name = _title
    for _model in apps.get_app_config(_app).get_models():
        _name(_model)
