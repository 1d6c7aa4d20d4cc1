"""Argos Face ID's four endpoints, at the root and under /modules (decision A16)."""

from django.urls import path, re_path

from collections_app.dialects.argos.views import FacesView, SearchView, UnknownView
from collections_app.dialects.openapi import alias

_FACES = alias(FacesView, post="addFaceModules", get="listFacesModules", delete="deleteFaceModules")
_SEARCH = alias(SearchView, post="searchFaceModules")
urlpatterns = [
    path("faces", FacesView.as_view()),
    path("search", SearchView.as_view()),
    path("modules/faces", _FACES.as_view()),
    path("modules/search", _SEARCH.as_view()),
    re_path("^", UnknownView.as_view()),
]
