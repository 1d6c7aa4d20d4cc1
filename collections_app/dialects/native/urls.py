"""The native API: every operation of the platform in plain REST, under /api/v1/."""

from django.urls import path, re_path

from collections_app.dialects.native import views

_HOME = "collections/<str:collection>"

urlpatterns = [
    path("me", views.MeView.as_view()),
    path("problems", views.ProblemsView.as_view()),
    path("collections", views.CollectionsView.as_view()),
    path(_HOME, views.CollectionView.as_view()),
    path(f"{_HOME}/people", views.PeopleView.as_view()),
    path(f"{_HOME}/people/<str:person>", views.PersonView.as_view()),
    path(f"{_HOME}/people/<str:person>/export", views.PersonExportView.as_view()),
    path(f"{_HOME}/people/<str:person>/merge", views.PersonMergeView.as_view()),
    path(f"{_HOME}/faces", views.FacesView.as_view()),
    path(f"{_HOME}/faces/<str:face>", views.FaceView.as_view()),
    path(f"{_HOME}/faces/<str:face>/image", views.FaceImageView.as_view()),
    path(f"{_HOME}/search", views.SearchView.as_view()),
    path(f"{_HOME}/verify", views.VerifyView.as_view()),
    path("detect", views.DetectView.as_view()),
    path("compare", views.CompareView.as_view()),
    path("keys", views.KeysView.as_view()),
    path("keys/<str:key>", views.KeyView.as_view()),
    path("keys/<str:key>/rotation", views.KeyRotationView.as_view()),
    path("audit", views.AuditView.as_view()),
    path("audit/verification", views.AuditVerificationView.as_view()),
    path("audit/export", views.AuditExportView.as_view()),
    path("receipts", views.ReceiptsView.as_view()),
    path("receipts/<str:receipt>", views.ReceiptView.as_view()),
    path("webhooks", views.WebhooksView.as_view()),
    path("webhooks/<str:webhook>", views.WebhookView.as_view()),
    re_path("^", views.UnknownView.as_view()),
]
