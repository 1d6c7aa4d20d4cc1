"""NHN Face Recognition v1.0, under nhn-face-reco/v1.0/ (decision H24)."""

from django.urls import include, path, re_path

from collections_app.dialects.nhn.views import (
    CompareView,
    DetectView,
    FacesView,
    FaceView,
    GroupsView,
    GroupView,
    SearchView,
    UnknownView,
    VerifyView,
)

_OF_KEY = [
    path("groups", GroupsView.as_view()),
    path("groups/<str:group>", GroupView.as_view()),
    path("groups/<str:group>/search", SearchView.as_view()),
    path("groups/<str:group>/faces", FacesView.as_view()),
    path("groups/<str:group>/faces/<str:face>", FaceView.as_view()),
    path("detect", DetectView.as_view()),
    path("compare", CompareView.as_view()),
    path("verify/groups/<str:group>/faces/<str:face>", VerifyView.as_view()),
]
urlpatterns = [
    path("appkeys/<str:app_key>/", include(_OF_KEY)),
    re_path("^", UnknownView.as_view()),
]
