"""The native API: every operation of the platform in plain REST, under /api/v1/."""

from django.urls import path, re_path, register_converter

from collections_app import identifiers
from collections_app.dialects.native.views import (
    about,
    audit,
    buckets,
    captures,
    challenges,
    collections,
    data_subjects,
    do_not_enrol,
    faces,
    health,
    index,
    jobs,
    keys,
    model_changes,
    operator,
    people,
    receipts,
    search,
    searches,
    webhooks,
)


class NameConverter:
    """A collection's name or a person's reference, which may contain slashes (WSGI decodes %2F).

    Between slashes it cannot contain a word that follows it in a path, so every path is unambiguous
    (collections_app.identifiers).
    """

    _part = f"(?!(?:{'|'.join(sorted(identifiers.PATH_WORDS))})(?:/|$))[^/]*"
    regex = f"(?:{_part}(?:/{_part})+|[^/]+)"

    def to_python(self, value: str) -> str:
        """Return the value unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return the value unchanged."""
        return value


register_converter(NameConverter, "name")

_COLLECTION = "collections/<name:collection>"

urlpatterns = [
    path("me", about.MeView.as_view()),
    path("version", about.VersionView.as_view()),
    path("usage", about.UsageView.as_view()),
    path("problems", about.ProblemsView.as_view()),
    path("collections", collections.CollectionsView.as_view()),
    path(_COLLECTION, collections.CollectionView.as_view()),
    path(f"{_COLLECTION}/people", people.PeopleView.as_view()),
    path(f"{_COLLECTION}/people/<name:person>", people.PersonView.as_view()),
    path(f"{_COLLECTION}/people/<name:person>/faces", people.PersonFacesView.as_view()),
    path(f"{_COLLECTION}/people/<name:person>/export", data_subjects.PersonExportView.as_view()),
    path(f"{_COLLECTION}/people/<name:person>/merge", people.PersonMergeView.as_view()),
    path(f"{_COLLECTION}/do-not-enrol", do_not_enrol.DoNotEnrolView.as_view()),
    path(f"{_COLLECTION}/do-not-enrol/<name:reference>", do_not_enrol.BarredReferenceView.as_view()),
    path(f"{_COLLECTION}/faces", faces.FacesView.as_view()),
    path(f"{_COLLECTION}/faces/<str:face>", faces.FaceView.as_view()),
    path(f"{_COLLECTION}/faces/<str:face>/image", faces.FaceImageView.as_view()),
    path(f"{_COLLECTION}/exports", jobs.ExportsView.as_view()),
    path(f"{_COLLECTION}/imports", jobs.ImportsView.as_view()),
    path(f"{_COLLECTION}/model", model_changes.ModelView.as_view()),
    path(f"{_COLLECTION}/model/missing", model_changes.MissingView.as_view()),
    path(f"{_COLLECTION}/search", search.SearchView.as_view()),
    path(f"{_COLLECTION}/verify", search.VerifyView.as_view()),
    path(f"{_COLLECTION}/index", index.IndexView.as_view()),
    path(f"{_COLLECTION}/index/rebuild", index.RebuildView.as_view()),
    path(f"{_COLLECTION}/health", health.HealthView.as_view()),
    path("jobs", jobs.JobsView.as_view()),
    path("jobs/<str:job>", jobs.JobView.as_view()),
    path("jobs/<str:job>/archive", jobs.ArchiveView.as_view()),
    path("jobs/<str:job>/manifest", jobs.ManifestView.as_view()),
    path("jobs/<str:job>/bundle", jobs.BundleView.as_view()),
    path("jobs/<str:job>/start", jobs.StartView.as_view()),
    path("jobs/<str:job>/cancel", jobs.CancelView.as_view()),
    path("jobs/<str:job>/resume", jobs.ResumeView.as_view()),
    path("jobs/<str:job>/report", jobs.ReportView.as_view()),
    path("liveness-challenges", challenges.ChallengesView.as_view()),
    path("liveness-challenges/answer", challenges.ChallengeAnswerView.as_view()),
    path("captures", captures.CapturesView.as_view()),
    path("captures/<str:capture>", captures.CaptureView.as_view()),
    path("captures/<str:capture>/guidance", captures.GuidanceView.as_view()),
    path("captures/<str:capture>/challenge", captures.ChallengeView.as_view()),
    path("captures/<str:capture>/use", captures.UseView.as_view()),
    path("detect", search.DetectView.as_view()),
    path("compare", search.CompareView.as_view()),
    path("searches", searches.SearchesView.as_view()),
    path("searches/<str:search>", searches.RecordedSearchView.as_view()),
    path("keys", keys.KeysView.as_view()),
    path("keys/<str:key>", keys.KeyView.as_view()),
    path("keys/<str:key>/rotation", keys.KeyRotationView.as_view()),
    path("audit", audit.AuditView.as_view()),
    path("audit/verification", audit.AuditVerificationView.as_view()),
    path("audit/export", audit.AuditExportView.as_view()),
    path("receipts", receipts.ReceiptsView.as_view()),
    path("receipts/<str:receipt>", receipts.ReceiptView.as_view()),
    path("buckets", buckets.BucketsView.as_view()),
    path("buckets/<str:bucket>", buckets.BucketView.as_view()),
    path("webhooks", webhooks.WebhooksView.as_view()),
    path("webhooks/<str:webhook>", webhooks.WebhookView.as_view()),
    path("webhooks/<str:webhook>/deliveries/<str:delivery>/repeat", webhooks.RepeatView.as_view()),
    path("operator/tenants", operator.TenantsView.as_view()),
    path("operator/tenants/<str:tenant>", operator.TenantView.as_view()),
    path("operator/tenants/<str:tenant>/usage", operator.TenantUsageView.as_view()),
    path("operator/tenants/<str:tenant>/keys", operator.TenantKeysView.as_view()),
    path("operator/tenants/<str:tenant>/keys/<str:key>", operator.TenantKeyView.as_view()),
    path("operator/tenants/<str:tenant>/members", operator.TenantMembersView.as_view()),
    path("operator/tenants/<str:tenant>/invitations", operator.TenantInvitationsView.as_view()),
    path("operator/tenants/<str:tenant>/invitations/<str:invitation>", operator.TenantInvitationView.as_view()),
    re_path("^", about.UnknownView.as_view()),
]
