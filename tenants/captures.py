"""Capture tokens: what lets a browser that holds no key do one thing once.

A key or a member gives one: for one verb, one collection and one origin, for some minutes. It is an id and a secret;
the id stands in the path of what the browser calls, so that a preflight, which carries no secret, can be answered for
the token's own origin. A caller behind a token is the key or member that gave it, with one scope and one collection:
budgets and limits count its calls as theirs, and revoking the key ends its tokens.

On our own page a token belongs to the browser that uses it first, by a cookie: a link that was copied afterwards opens
nothing. A page of another origin keeps the token to itself; outside of browsers any Origin can be written.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.urls import reverse
from django.utils import timezone

from tenants import access, keys, rls
from tenants.access import Caller, Scope
from tenants.errors import CaptureUnusable, UnknownKey
from tenants.links import absolute, own_origin
from tenants.models import ApiKey, CaptureToken

PREFIX = "cap_"
BROWSER = "capture"  # the cookie by which our page knows a browser again
_NO_HASH = bytes(32)


class Verb(StrEnum):
    """What a capture token allows."""

    ENROL = "enrol"
    VERIFY = "verify"
    SEARCH = "search"
    LIVENESS = "liveness"


SCOPES: Mapping[str, Scope] = {
    Verb.ENROL: Scope.ENROL,
    Verb.VERIFY: Scope.SEARCH,
    Verb.SEARCH: Scope.SEARCH,
    Verb.LIVENESS: Scope.SEARCH,
}


@dataclass(frozen=True, slots=True)
class IssuedCapture:
    """A new capture token with its secret, which is shown once."""

    capture: CaptureToken
    secret: str

    @property
    def token(self) -> str:
        """The whole token: `id.secret`."""
        return f"{self.capture.pk}.{self.secret}"


def issue(caller: Caller, verb: Verb, minutes: int, **values: Any) -> IssuedCapture:  # noqa: ANN401 -- fields
    """Create a token that acts for the caller."""
    secret = secrets.token_urlsafe(32)
    capture = CaptureToken.unscoped.create(
        id=PREFIX + base64.b32encode(secrets.token_bytes(10)).decode().lower(),
        tenant=caller.tenant,
        secret_hash=keys.secret_hash(secret),
        actor_kind=caller.kind,
        actor_id=caller.id,
        verb=verb,
        expires_at=timezone.now() + timedelta(minutes=minutes),
        **values,
    )
    return IssuedCapture(capture, secret)


def page_of(issued: IssuedCapture) -> str:
    """Return the address of our own page for a token; empty: it is for another origin's."""
    return absolute(reverse("console:capture", args=[issued.token])) if issued.capture.origin == own_origin() else ""


def end(key: ApiKey) -> None:
    """End the unused tokens that a key has given."""
    given = CaptureToken.objects.of(key.tenant).filter(actor_kind="key", actor_id=key.pk, used_at=None)
    given.update(expires_at=timezone.now())


def origin_of(capture: str) -> str:
    """Return the origin from which a token's id may be used; empty: there is no such token."""
    found = access.capture_token(capture)
    return found.origin if found else ""


def caller_for(
    capture: str, token: tuple[str, str], *, origin: str, browser: str, via: str, address: str, request_id: str
) -> Caller:
    """Return the caller behind a token that is used for the capture of this id, from this origin and browser.

    `token` is its id and secret, `browser` the value of our page's cookie.

    Raises:
        UnknownKey: there is no such token.
        RevokedKey, ExpiredKey, TenantSuspended: who gave it may not act any more.
        CaptureUnusable: it is for another origin or browser, was used before, or has expired.
    """
    found = _opened(*token)
    if found.pk != capture:
        raise UnknownKey
    caller = access.caller_behind(found, via=via, address=address, request_id=request_id)
    if found.origin != origin:
        raise CaptureUnusable("it is for another origin")
    _check_time(found)
    if origin == own_origin():
        _keep_to(found, browser)
    reach = frozenset() if found.collection_id is None else frozenset({found.collection_id})
    return replace(caller, scopes=caller.scopes & {SCOPES[found.verb]}, collections=reach)


def for_page(token: str, *, browser: str, **origin: str) -> CaptureToken:
    """Return the token for our own page, if this browser can still use it there.

    Raises:
        As `caller_for`.
    """
    found = _opened(*keys.split(token))
    access.caller_behind(found, **origin)
    if found.origin != own_origin():
        raise CaptureUnusable("it is for another origin")
    _check_time(found)
    if found.browser_hash and not _is_of(found, browser):
        raise CaptureUnusable("it is for another browser")
    return found


def _opened(capture: str, secret: str) -> CaptureToken:
    """Return the token; an unknown id and a wrong secret are indistinguishable, also by timing."""
    found = access.capture_token(capture)
    known = bytes(found.secret_hash) if found else _NO_HASH
    if not hmac.compare_digest(keys.secret_hash(secret), known) or found is None:
        raise UnknownKey
    return found


def _check_time(found: CaptureToken) -> None:
    if found.used_at:
        raise CaptureUnusable("it was used before")
    if found.expires_at <= timezone.now():
        raise CaptureUnusable("it has expired")


def _keep_to(found: CaptureToken, browser: str) -> None:
    """Give the token to the browser if it is nobody's yet; two that try at once do not both get it."""
    if not found.browser_hash and browser:
        found.browser_hash = keys.secret_hash(browser)
        with rls.one_tenant(found.tenant):
            rows = CaptureToken.objects.of(found.tenant).filter(pk=found.pk)
            if not rows.filter(browser_hash=b"").update(browser_hash=found.browser_hash):
                found.browser_hash = rows.values_list("browser_hash", flat=True).get()
    if not _is_of(found, browser):
        raise CaptureUnusable("it is for another browser")


def _is_of(found: CaptureToken, browser: str) -> bool:
    return hmac.compare_digest(bytes(found.browser_hash), keys.secret_hash(browser))
