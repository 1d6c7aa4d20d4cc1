"""The console's pages: a tenant's under its slug, a user's own under /account/."""

from typing import Any

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from collections_app.console.base import not_found
from collections_app.console.entrances import limited, local
from collections_app.console.views import (
    account,
    audit,
    auth,
    capture,
    collections,
    faces,
    health,
    imports,
    jobs,
    keys,
    members,
    model_changes,
    operator,
    overview,
    people,
    photo,
    playground,
    provider,
    receipts,
    requests,
    searches,
    settings,
    subject,
    time_zone,
    timeline,
    undo,
    usage,
    webhooks,
)

app_name = "console"


def _pages(*pages: tuple[str, type[Any], str]) -> list[URLPattern | URLResolver]:
    """Return a URL pattern for each page."""
    return [path(route, view.as_view(), name=name) for route, view, name in pages]


def _entrances(*pages: tuple[str, type[Any], str]) -> list[URLPattern | URLResolver]:
    """Return a rate-limited URL pattern for each page that accepts a password, a code or a link."""
    return [path(route, limited(view.as_view()), name=name) for route, view, name in pages]


_ACCOUNT = [
    *_pages(
        ("", account.AccountView, "account"),
        ("logout/", LogoutView, "logout"),
        ("authenticator/", account.AuthenticatorView, "authenticator"),
        ("sessions/", account.SessionsView, "sessions"),
        ("provider/", provider.LeaveView, "provider"),
        ("provider/return/", provider.ReturnView, "provider_return"),
        ("forgotten/sent/", auth.ForgottenSent, "forgotten_sent"),
    ),
    *_entrances(
        ("login/", auth.Login, "login"),
        ("code/", auth.CodeView, "code"),
        ("authenticator/remove/", account.RemoveAuthenticatorView, "authenticator_remove"),
        ("recovery/", account.RecoveryView, "recovery"),
        ("address/", account.AddressView, "address"),
        ("invitation/", auth.InvitationView, "invitation"),
        ("invitation/<str:secret>/", auth.InvitationLinkView, "invitation_link"),
    ),
    path("password/", limited(local(auth.Password.as_view())), name="password"),
    path("forgotten/", limited(local(auth.Forgotten.as_view())), name="forgotten"),
    path("forgotten/<uidb64>/<token>/", limited(local(auth.Renew.as_view())), name="renew"),
]

_FACES = _pages(
    ("", faces.FacesView, "faces"),
    ("delete/", faces.DeleteFacesView, "faces_delete"),
    ("move/", people.MoveFacesView, "faces_move"),
    ("<uuid:face>/", faces.FaceView, "face"),
    ("<uuid:face>/image/", faces.ImageView, "face_image"),
    ("<uuid:face>/thumbnail/", faces.ThumbnailView, "face_thumbnail"),
)

_PEOPLE = _pages(
    ("", people.PeopleView, "people"),
    ("named/", people.NamedView, "people_named"),
    ("<int:person>/", people.PersonView, "person"),
    ("<int:person>/add/", photo.AddPhotoView, "person_add"),
    ("<int:person>/erase/", people.EraseView, "person_erase"),
    ("<int:person>/export/", people.ExportView, "person_export"),
    ("<int:person>/merge/", people.MergeView, "person_merge"),
    ("<int:person>/timeline/", timeline.TimelineView, "timeline"),
    ("<int:person>/timeline/<str:form>/", timeline.TimelineExportView, "timeline_export"),
)

_COLLECTION = [
    *_pages(
        ("", collections.CollectionView, "collection"),
        ("threshold/", collections.ThresholdView, "threshold"),
        ("aim/", collections.AimView, "aim"),
        ("index/", collections.IndexView, "index"),
        ("delete/", collections.DeleteView, "collection_delete"),
        ("export/", collections.ExportView, "collection_export"),
        ("do-not-enrol/", collections.DoNotEnrolView, "do_not_enrol"),
        ("import/", imports.ImportView, "import"),
        ("model/", model_changes.ModelView, "model"),
        ("model/step/", model_changes.StepView, "model_step"),
        ("health/", health.HealthView, "health"),
        ("health/progress/", health.ProgressView, "health_progress"),
    ),
    path("faces/", include(_FACES)),
    path("people/", include(_PEOPLE)),
]

_WEBHOOKS = _pages(
    ("", webhooks.WebhooksView, "webhooks"),
    ("<str:webhook>/", webhooks.WebhookView, "webhook"),
    ("<str:webhook>/test/", webhooks.TestView, "webhook_test"),
    ("<str:webhook>/switch/", webhooks.SwitchView, "webhook_switch"),
    ("<str:webhook>/delete/", webhooks.DeleteView, "webhook_delete"),
    ("<str:webhook>/deliveries/<str:delivery>/", webhooks.RedeliverView, "redeliver"),
)

TENANT: list[URLPattern | URLResolver] = [
    *_pages(
        ("", overview.OverviewView, "overview"),
        ("collections/", collections.CollectionsView, "collections"),
        ("collections/new/", collections.NewView, "collection_new"),
        ("playground/", playground.PlaygroundView, "playground"),
        ("playground/capture/", playground.CaptureView, "playground_capture"),
        ("playground/picture/", playground.PictureView, "playground_picture"),
        ("playground/verdict/", playground.VerdictView, "verdict"),
        ("playground/<str:action>/", playground.TryView, "playground_try"),
        ("searches/", searches.SearchesView, "searches"),
        ("searches/<uuid:search>/", searches.SearchView, "search"),
        ("searches/<uuid:search>/<uuid:face>/", searches.JudgeView, "judge"),
        ("requests/", requests.RequestsView, "requests"),
        ("requests/<int:logged>/", requests.RequestView, "request"),
        ("audit/", audit.AuditView, "audit"),
        ("audit/verify/", audit.VerifyView, "audit_verify"),
        ("audit/export/<str:form>/", audit.ExportView, "audit_export"),
        ("subject/", subject.SubjectView, "subject"),
        ("subject/document/", subject.SubjectDocumentView, "subject_document"),
        ("subject/erase/", subject.SubjectEraseView, "subject_erase"),
        ("receipts/", receipts.ReceiptsView, "receipts"),
        ("receipts/<uuid:receipt>/", receipts.ReceiptView, "receipt"),
        ("receipts/<uuid:receipt>/document/", receipts.DocumentView, "receipt_document"),
        ("jobs/", jobs.JobsView, "jobs"),
        ("jobs/<str:job>/", jobs.JobView, "job"),
        ("jobs/<str:job>/report/", jobs.JobReportView, "job_report"),
        ("jobs/<str:job>/bundle/", jobs.BundleView, "job_bundle"),
        ("jobs/<str:job>/cancel/", jobs.CancelJobView, "job_cancel"),
        ("jobs/<str:job>/resume/", jobs.ResumeJobView, "job_resume"),
        ("keys/", keys.KeysView, "keys"),
        ("keys/<str:key>/rotate/", keys.RotateView, "key_rotate"),
        ("keys/<str:key>/revoke/", keys.RevokeView, "key_revoke"),
        ("members/", members.MembersView, "members"),
        ("members/<int:member>/", members.MemberView, "member"),
        ("members/<int:member>/remove/", members.RemoveView, "member_remove"),
        ("members/invitations/<int:invitation>/withdraw/", members.WithdrawView, "withdraw"),
        ("settings/", settings.SettingsView, "settings"),
        ("usage/", usage.UsageView, "usage"),
        ("undo/", undo.UndoView, "undo"),
        ("time-zone/", time_zone.TimeZoneView, "time_zone"),
    ),
    path("collections/<str:alias>/", include(_COLLECTION)),
    path("settings/webhooks/", include(_WEBHOOKS)),
]

OPERATOR = _pages(
    ("tenants/new/", operator.NewTenantView, "operator_new"),
    ("tenants/<slug:slug>/", operator.TenantView, "operator_tenant"),
    ("tenants/<slug:slug>/state/", operator.StateView, "operator_state"),
    ("tenants/<slug:slug>/invite/", operator.InviteView, "operator_invite"),
    ("tenants/<slug:slug>/withdraw/<int:invitation>/", operator.WithdrawView, "operator_withdraw"),
    ("tenants/<slug:slug>/retry/<str:work>/", operator.RetryView, "operator_retry"),
)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:home")),
    path("console", RedirectView.as_view(pattern_name="console:home")),
    path("console/", auth.HomeView.as_view(), name="home"),
    path("account/language/", set_language, name="language"),
    path("account/", include(_ACCOUNT)),
    path("console/<slug:tenant>/", include(TENANT)),
    path("operator/", include(OPERATOR)),
    path("capture/<str:token>", capture.CaptureView.as_view(), name="capture"),
    re_path("^(?:console|account|capture|operator)/", not_found),
]
