"""AccuAuth's three endpoints, under /faceset/v2/."""

from django.urls import path, re_path

from collections_app.dialects.accuauth.views import AddFaceView, CreateView, SearchFaceView, UnknownView

urlpatterns = [
    path("create", CreateView.as_view()),
    path("add_face", AddFaceView.as_view()),
    path("search_face", SearchFaceView.as_view()),
    re_path("^", UnknownView.as_view()),
]
