"""The URL configuration; each dialect is mounted at the prefix of its descriptor."""

from importlib import import_module

from django.contrib import admin
from django.urls import URLPattern, include, path

from collections_app.console.entrances import limited
from collections_app.console.views.operator import DashboardView
from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect
from config.checks.tables import tables
from config.health import examine

# Longest prefix first, and of the same prefix those with roots: a dialect answers all unknown paths under its prefixes.
_MOUNTED = sorted(DIALECTS, key=lambda dialect: (len(dialect.prefix), bool(dialect.roots)), reverse=True)


def _without_slash(dialect: Dialect) -> URLPattern:
    """Return the dialect's last pattern, which answers unknown paths, for its prefix without the last slash."""
    unknown: URLPattern = import_module(dialect.urls).urlpatterns[-1]
    return path(dialect.prefix.rstrip("/"), unknown.callback)


handler400 = "collections_app.dialects.base.bad_request"
urlpatterns = [
    path("admin/login/", limited(admin.site.login)),
    path("admin/password_change/", limited(admin.site.admin_view(admin.site.password_change))),
    path("admin/", admin.site.urls),
    path("operator/", DashboardView.as_view(examine=examine, tables=tables), name="operator"),
    path("docs/", include("config.docs")),
    *(path(dialect.prefix, include(dialect.urls)) for dialect in _MOUNTED if dialect.prefix),
    *(_without_slash(dialect) for dialect in _MOUNTED if dialect.prefix and not dialect.roots),
    path("", include("collections_app.console.urls")),
    # Dialects without a prefix come last.
    *(path("", include(dialect.urls)) for dialect in _MOUNTED if not dialect.prefix),
]
