"""Argos Face ID: its four endpoints, at the root and under /modules (decision A16)."""

from django.urls import path, re_path

from collections_app.dialects.argos.views import FacesView, SearchView, UnknownView

urlpatterns = [
    path("faces", FacesView.as_view()),
    path("search", SearchView.as_view()),
    path("modules/faces", FacesView.as_view()),
    path("modules/search", SearchView.as_view()),
    re_path("^", UnknownView.as_view()),
]
