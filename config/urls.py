"""Where everything is mounted: each dialect where its descriptor says."""

from django.contrib import admin
from django.urls import include, path

from collections_app.console.entrances import limited
from collections_app.dialects import DIALECTS

# The longest prefix first: each dialect answers every path under its own that nobody else knows.
_MOUNTED = sorted(DIALECTS, key=lambda dialect: len(dialect.prefix), reverse=True)

handler400 = "collections_app.dialects.base.bad_request"
urlpatterns = [
    path("admin/login/", limited(admin.site.login)),
    path("admin/password_change/", limited(admin.site.admin_view(admin.site.password_change))),
    path("admin/", admin.site.urls),
    path("docs/", include("config.docs")),
    *(path(dialect.prefix, include(dialect.urls)) for dialect in _MOUNTED if dialect.prefix),
    path("", include("collections_app.console.urls")),
    # A dialect without a prefix stands last.
    *(path("", include(dialect.urls)) for dialect in _MOUNTED if not dialect.prefix),
]
