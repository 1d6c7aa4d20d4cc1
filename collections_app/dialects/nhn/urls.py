"""NHN Face Recognition v1.0, under nhn-face-reco/v1.0/ (decision H24)."""

from django.urls import include, path, re_path

from collections_app.dialects.nhn.views import base, faces, groups, search

_OF_KEY = [
    path("groups", groups.GroupsView.as_view()),
    path("groups/<str:group>", groups.GroupView.as_view()),
    path("groups/<str:group>/search", search.SearchView.as_view()),
    path("groups/<str:group>/faces", faces.FacesView.as_view()),
    path("groups/<str:group>/faces/<str:face>", faces.FaceView.as_view()),
    path("detect", faces.DetectView.as_view()),
    path("compare", search.CompareView.as_view()),
    path("verify/groups/<str:group>/faces/<str:face>", search.VerifyView.as_view()),
]
urlpatterns = [
    path("appkeys/<str:app_key>/", include(_OF_KEY)),
    re_path("^", base.UnknownView.as_view()),
]
