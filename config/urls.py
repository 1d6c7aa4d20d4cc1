"""Where everything is mounted: one line a dialect."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
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
