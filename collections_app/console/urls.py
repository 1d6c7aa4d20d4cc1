"""The console's pages. A tenant's pages lie under its name; a person's own lie under /account/."""

from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path, re_path, reverse_lazy
from django.views.generic import RedirectView
from django.views.i18n import set_language

from collections_app.console.base import not_found
from collections_app.console.views import (
    account,
    audit,
    collections,
    entry,
    faces,
    health,
    keys,
    log,
    members,
    overview,
    people,
    playground,
    settings,
)

app_name = "console"

_ACCOUNT: list[URLPattern | URLResolver] = [
    path("", account.AccountView.as_view(), name="account"),
    path("login/", entry.Login.as_view(), name="login"),
    path("code/", entry.CodeView.as_view(), name="code"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="language"),
    path("authenticator/", account.AuthenticatorView.as_view(), name="authenticator"),
    path("authenticator/remove/", account.RemoveAuthenticatorView.as_view(), name="authenticator_remove"),
    path("invitation/<str:secret>/", entry.InvitationView.as_view(), name="invitation"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(
            template_name="console/account/password.html", success_url=reverse_lazy("console:account")
        ),
        name="password",
    ),
    path("forgotten/", entry.Forgotten.as_view(), name="forgotten"),
    path(
        "forgotten/sent/",
        auth.PasswordResetDoneView.as_view(template_name="console/account/forgotten_sent.html"),
        name="forgotten_sent",
    ),
    path("forgotten/<uidb64>/<token>/", entry.Renew.as_view(), name="renew"),
]

_FACES: list[URLPattern | URLResolver] = [
    path("", faces.FacesView.as_view(), name="faces"),
    path("delete/", faces.DeleteFacesView.as_view(), name="faces_delete"),
    path("move/", people.MoveFacesView.as_view(), name="faces_move"),
    path("<uuid:face>/", faces.FaceView.as_view(), name="face"),
    path("<uuid:face>/image/", faces.ImageView.as_view(), name="face_image"),
    path("<uuid:face>/thumbnail/", faces.ThumbnailView.as_view(), name="face_thumbnail"),
]

_COLLECTION: list[URLPattern | URLResolver] = [
    path("", collections.CollectionView.as_view(), name="collection"),
    path("threshold/", collections.ThresholdView.as_view(), name="threshold"),
    path("index/", collections.IndexView.as_view(), name="index"),
    path("delete/", collections.DeleteView.as_view(), name="collection_delete"),
    path("health/", health.HealthView.as_view(), name="health"),
    path("health/progress/", health.ProgressView.as_view(), name="health_progress"),
    path("faces/", include(_FACES)),
    path("people/", people.PeopleView.as_view(), name="people"),
    path("people/<int:person>/", people.PersonView.as_view(), name="person"),
    path("people/<int:person>/merge/", people.MergeView.as_view(), name="person_merge"),
]

TENANT: list[URLPattern | URLResolver] = [
    path("", overview.OverviewView.as_view(), name="overview"),
    path("collections/", collections.CollectionsView.as_view(), name="collections"),
    path("collections/new/", collections.NewView.as_view(), name="collection_new"),
    path("collections/<str:node>/", include(_COLLECTION)),
    path("playground/", playground.PlaygroundView.as_view(), name="playground"),
    path("playground/verdict/", playground.VerdictView.as_view(), name="verdict"),
    path("playground/<str:action>/", playground.TryView.as_view(), name="playground_try"),
    path("searches/", log.SearchesView.as_view(), name="searches"),
    path("searches/<uuid:search>/", log.SearchView.as_view(), name="search"),
    path("audit/", audit.AuditView.as_view(), name="audit"),
    path("audit/verify/", audit.VerifyView.as_view(), name="audit_verify"),
    re_path("^audit/export/(?P<form>csv|json)/$", audit.ExportView.as_view(), name="audit_export"),
    path("keys/", keys.KeysView.as_view(), name="keys"),
    path("keys/<str:key>/rotate/", keys.RotateView.as_view(), name="key_rotate"),
    path("keys/<str:key>/revoke/", keys.RevokeView.as_view(), name="key_revoke"),
    path("members/", members.MembersView.as_view(), name="members"),
    path("members/<int:member>/", members.MemberView.as_view(), name="member"),
    path("members/<int:member>/remove/", members.RemoveView.as_view(), name="member_remove"),
    path("members/invitations/<int:invitation>/withdraw/", members.WithdrawView.as_view(), name="withdraw"),
    path("settings/", settings.SettingsView.as_view(), name="settings"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="console:home")),
    path("console", RedirectView.as_view(pattern_name="console:home")),
    path("console/", entry.HomeView.as_view(), name="home"),
    path("account/", include(_ACCOUNT)),
    path("console/<slug:tenant>/", include(TENANT)),
    re_path("^(?:console|account)/", not_found),
]
