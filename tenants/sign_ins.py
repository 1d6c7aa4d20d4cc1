"""The list of a person's open sessions. Sessions themselves are sealed and do not say whose they are."""

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from tenants.models import SignIn
from tenants.sessions import row_key


def note_sign_in(request: HttpRequest, user: User) -> None:
    """Put the request's session on the list of the person's sessions."""
    if request.session.session_key is None:
        request.session.save()
    values = {"address": request.META.get("REMOTE_ADDR", ""), "browser": request.headers.get("User-Agent", "")[:200]}
    key = row_key(request.session.session_key or "")
    SignIn.objects.update_or_create(session=key, defaults={"user": user, **values})


def sign_ins(request: HttpRequest, user: User) -> list[tuple[SignIn, bool]]:
    """Return the person's open sessions, newest first, and whether each is the request's own."""
    own = row_key(request.session.session_key or "")
    open_ones = Session.objects.filter(expire_date__gt=timezone.now()).values("pk")
    rows = SignIn.objects.filter(user=user, session__in=open_ones).order_by("-at")
    return [(row, row.session == own) for row in rows]


def end_others(request: HttpRequest, user: User, session: str = "") -> int:
    """End one of the person's sessions, or all but the request's own; return how many."""
    rows = SignIn.objects.filter(user=user).exclude(session=row_key(request.session.session_key or ""))
    keys = list((rows.filter(session=session) if session else rows).values_list("session", flat=True))
    Session.objects.filter(pk__in=keys).delete()
    SignIn.objects.filter(pk__in=keys).delete()
    return len(keys)


def forget_sign_ins() -> None:
    """Delete the entries of sessions that are over."""
    SignIn.objects.exclude(session__in=Session.objects.values("pk")).delete()
