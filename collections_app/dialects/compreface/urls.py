"""CompreFace's paths, below the prefix that it shares with our own API: all begin with a root of its own (C1)."""

from django.urls import path, re_path

from collections_app.dialects.compreface.dialect import DIALECT
from collections_app.dialects.compreface.views import base, embeddings, faces, images, subjects
from collections_app.dialects.openapi import alias

_LIST = alias(subjects.SubjectsView, get="listSubjectsSlash", post="addSubjectSlash", delete="deleteSubjectsSlash")
urlpatterns = [
    path("recognition/subjects", subjects.SubjectsView.as_view()),
    path("recognition/subjects/", _LIST.as_view()),  # as the vendor's documents write it
    path("recognition/subjects/<path:person>", subjects.SubjectView.as_view()),
    path("recognition/faces", faces.FacesView.as_view()),
    path("recognition/faces/delete", faces.SeveralFacesView.as_view()),
    path("recognition/faces/<str:face>", faces.FaceView.as_view()),
    path("recognition/faces/<str:face>/img", faces.ImageView.as_view()),
    path("recognition/faces/<str:face>/verify", images.VerifyFaceView.as_view()),
    path("recognition/recognize", images.RecogniseView.as_view()),
    path("recognition/embeddings/recognize", embeddings.RecogniseView.as_view()),
    path("recognition/embeddings/faces/<str:face>/verify", embeddings.VerifyFaceView.as_view()),
    path("verification/verify", images.CompareView.as_view()),
    path("verification/embeddings/verify", embeddings.CompareView.as_view()),
    path("detection/detect", images.DetectView.as_view()),
    re_path(f"^(?:{'|'.join(DIALECT.roots)})(?:/|$)", base.UnknownView.as_view()),
]
