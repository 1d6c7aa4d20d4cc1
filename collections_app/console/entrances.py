"""Passwords, codes and links are tried neither too often from one place nor too many at once.

A password's hash takes a core for a good part of a second. What is beyond the limits of an address, or of its network,
is refused before that; what is within them waits for one of few slots, an address after the other. Accounts are locked
by django-axes and django-otp.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from recognition.admission import AdmissionQueue, host_file
from recognition.errors import Busy
from tenants import limits
from tenants.access import Limit
from tenants.places import network, place

_NETWORK_TIMES = 4  # as often as one address of it
_QUEUE, _WAIT_SECONDS = 8, 5  # waiting for each slot, and for how long

View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """Return the view with its POSTs limited: beyond, it answers 429 with a page that says so."""

    @wraps(view)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        address = request.META.get("REMOTE_ADDR", "")
        if not _passes(place(address), 1) or not _passes(network(address), _NETWORK_TIMES):
            return refused(request, Limit.MINUTE)
        try:
            with _hashing().admit(place(address)):
                return view(request, *args, **kwargs)
        except Busy as busy:
            return refused(request, busy.retry_after)

    return handle


def _passes(where: str, times: int) -> bool:
    return limits.passes(Limit(f"attempts from {where}", Limit.MINUTE, times * settings.ATTEMPTS_PER_MINUTE))


@lru_cache(maxsize=1)
def _hashing() -> AdmissionQueue:
    slots = max(1, settings.COMPUTE_SLOTS // 2)
    return AdmissionQueue(host_file("passwords"), slots=slots, queue=slots * _QUEUE, seconds=_WAIT_SECONDS)


def refused(request: HttpRequest, seconds: float) -> HttpResponse:
    """Say that too much comes from there, and when to come again."""
    answer = render(request, "console/too_many.html", status=429)
    answer["Retry-After"] = str(max(1, round(seconds)))
    return answer
