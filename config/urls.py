"""Where everything is mounted: one line a dialect."""

from django.contrib import admin
from django.urls import include, path

from collections_app.console.entrances import limited

urlpatterns = [
    path("admin/login/", limited(admin.site.login)),
    path("admin/password_change/", limited(admin.site.admin_view(admin.site.password_change))),
    path("admin/", admin.site.urls),
    path("docs/", include("config.docs")),
    path("api/v1/", include("collections_app.dialects.native.urls")),
    path("nhn-face-reco/v1.0/", include("collections_app.dialects.nhn.urls")),
    path("faceset/v2/", include("collections_app.dialects.accuauth.urls")),
    path("v2/va/", include("collections_app.dialects.facedb.urls")),
    path("", include("collections_app.console.urls")),
    # Argos has no prefix of its own (decision A16), so it stands last and answers every path that nobody else knows.
    path("", include("collections_app.dialects.argos.urls")),
]
