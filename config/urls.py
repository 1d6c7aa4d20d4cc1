"""The URL configuration; each dialect is mounted at the prefix of its descriptor."""

from django.contrib import admin
from django.urls import include, path

from collections_app.console.entrances import limited
from collections_app.dialects import DIALECTS

# Longest prefix first: each dialect answers all unknown paths under its prefix.
_MOUNTED = sorted(DIALECTS, key=lambda dialect: len(dialect.prefix), reverse=True)

handler400 = "collections_app.dialects.base.bad_request"
urlpatterns = [
    path("admin/login/", limited(admin.site.login)),
    path("admin/password_change/", limited(admin.site.admin_view(admin.site.password_change))),
    path("admin/", admin.site.urls),
    path("docs/", include("config.docs")),
    *(path(dialect.prefix, include(dialect.urls)) for dialect in _MOUNTED if dialect.prefix),
    path("", include("collections_app.console.urls")),
    # Dialects without a prefix come last.
    *(path("", include(dialect.urls)) for dialect in _MOUNTED if not dialect.prefix),
]
