"""Limits how often passwords, codes and links are tried from one address, and how many at once.

Hashing a password occupies a core for a large part of a second. Attempts beyond the limit of an address, or of its
network, are refused before hashing; the others wait for one of a few slots, addresses taking turns. django-axes and
django-otp lock accounts.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from recognition.admission import AdmissionQueue, host_file, one_queue
from recognition.errors import Busy
from tenants import limits
from tenants.access import Limit
from tenants.places import network, place

_NETWORK_TIMES = 4  # times the limit of one address
_QUEUE, _WAIT_SECONDS = 8, 5  # waiting requests for each slot, and how long they wait

View = Callable[..., HttpResponseBase]


def limited(view: View) -> View:
    """Limit the view's POSTs; beyond the limit it answers 429 with a page."""

    @wraps(view)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        if too_often(request):
            return refused(request, Limit.MINUTE)
        try:
            with _hashing().admit(place(request.META.get("REMOTE_ADDR", ""))):
                return view(request, *args, **kwargs)
        except Busy as busy:
            return refused(request, busy.retry_after)

    return handle


def local(view: View) -> View:
    """Answer 404 where members have no passwords of ours."""

    @wraps(view)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.LOCAL_PASSWORDS:
            raise Http404
        return view(request, *args, **kwargs)

    return handle


def too_often(request: HttpRequest) -> bool:
    """Count an attempt, and return whether its address or network made too many."""
    address = request.META.get("REMOTE_ADDR", "")
    return not _passes(place(address), 1) or not _passes(network(address), _NETWORK_TIMES)


def _passes(where: str, times: int) -> bool:
    return limits.passes(Limit(f"attempts from {where}", Limit.MINUTE, times * settings.ATTEMPTS_PER_MINUTE))


@one_queue
def _hashing() -> AdmissionQueue:
    slots = max(1, settings.COMPUTE_SLOTS // 2)
    return AdmissionQueue(host_file("passwords"), slots=slots, queue=slots * _QUEUE, seconds=_WAIT_SECONDS)


def refused(request: HttpRequest, seconds: float) -> HttpResponse:
    """Answer 429, with the time to wait."""
    answer = render(request, "console/too_many.html", status=429)
    answer["Retry-After"] = str(max(1, round(seconds)))
    return answer
