"""NHN Face Recognition: v1.0 under nhn-face-reco/ (decision H24), v2.0 at the root and there too (decision R9)."""

from types import new_class

from django.urls import URLPattern, include, path, re_path

from collections_app.dialects.nhn.views import base, faces, groups, search, v2

_V1 = [
    path("groups", groups.GroupsView.as_view()),
    path("groups/<str:group>", groups.GroupView.as_view()),
    path("groups/<str:group>/search", search.SearchView.as_view()),
    path("groups/<str:group>/faces", faces.FacesView.as_view()),
    path("groups/<str:group>/faces/<str:face>", faces.FaceView.as_view()),
    path("detect", faces.DetectView.as_view()),
    path("compare", search.CompareView.as_view()),
    path("verify/groups/<str:group>/faces/<str:face>", search.VerifyView.as_view()),
    path("spoofing", faces.SpoofingView.as_view()),
]
_V2: dict[str, type[base.V2View]] = {
    "groups": v2.GroupsView,
    "groups/<str:group>": v2.GroupView,
    "faces/detect": v2.DetectView,
    "faces/compare": v2.CompareView,
    "groups/<str:group>/faces": v2.FacesView,
    "groups/<str:group>/faces/search": v2.SearchView,
    "groups/<str:group>/faces/<str:face>": v2.FaceView,
    "groups/<str:group>/faces/<str:face>/search": v2.FaceSearchView,
    "groups/<str:group>/faces/<str:face>/verify": v2.VerifyView,
}


def _undocumented(view: type[base.V2View]) -> type[base.V2View]:
    """Return a copy that the OpenAPI document leaves out: it has the same operation at another path."""
    return new_class(view.__name__, (view,), exec_body=lambda body: body.update(schema=None))


def _v2(*, documented: bool) -> list[URLPattern]:
    return [path(at, (view if documented else _undocumented(view)).as_view()) for at, view in _V2.items()]


urlpatterns = [
    path("nhn-face-reco/v1.0/appkeys/<str:app_key>/", include(_V1)),
    path("nhn-face-reco/v2.0/appkeys/<str:app_key>/", include(_v2(documented=False))),
    path("v2.0/appkeys/<str:app_key>/", include(_v2(documented=True))),
    re_path(r"^(?:nhn-face-reco|v2\.0)(?:/|$)", base.UnknownView.as_view()),
]
