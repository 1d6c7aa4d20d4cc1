"""What all pages of a tenant share: member -> Caller -> operation -> page, and each error becomes a sentence.

The URL names the tenant. To users who are not members, it looks as if the tenant did not exist.
"""

import json
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View

from collections_app.console.errors import FAMILIES, explain
from collections_app.operations import pictures, shown_once
from collections_app.operations.undo import UNDO_SECONDS
from collections_app.reasons import reason
from tenants import access, rls
from tenants.access import Caller, Scope

_SHOWN_ONCE = "shown_once"
UNDO = "undo"  # in the session: what can be undone, sealed, and until when
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ConsoleView(View):
    """A page of a tenant. `needs` is the scope to see it, `needs_to_change` the scope to post to it.

    `fragment` is the template of what htmx replaces on the page, such as the rows of its list.
    """

    needs: ClassVar[Scope] = Scope.READ
    needs_to_change: ClassVar[Scope | None] = None
    template: ClassVar[str] = ""
    fragment: ClassVar[str] = ""
    section: ClassVar[str] = ""
    caller: Caller

    def dispatch(self, request: HttpRequest, *args: Any, tenant: str, **kwargs: Any) -> HttpResponseBase:
        """Find the caller first, then handle the request; an error becomes a page that explains it."""
        if not request.user.is_authenticated:
            if request.htmx:  # type: ignore[attr-defined]  # HtmxMiddleware's
                return HttpResponse(
                    status=HTTPStatus.UNAUTHORIZED
                )  # console.js says so; a redirect would be swapped in
            return redirect_to_login(request.get_full_path())
        address = request.META.get("REMOTE_ADDR", "")
        request_id = request.META.get("faceplane.request_id", "")
        caller = access.caller_for_member(request.user, tenant, address=address, request_id=request_id)
        if caller is None:
            return suspended(request, tenant) or not_found(request)
        self.caller = caller
        try:
            safe = request.method in SAFE
            caller.require(self.needs if safe else self.needs_to_change or self.needs)
            with rls.one_tenant(caller.tenant), timezone.override(ZoneInfo(caller.time_zone)):
                return super().dispatch(request, *args, **kwargs)
        except FAMILIES as error:
            return self.refused(error)
        except Http404:
            return not_found(request)

    def page(self, status: int = 200, template: str = "", **context: Any) -> HttpResponse:
        """Render the page, or the fragment that htmx asks for, with the context that all pages share."""
        pictured: list[Any] = []  # the faces whose thumbnails the templates put on the page
        shared = {
            "pictured": pictured,
            "tenant": self.caller.tenant,
            "caller": self.caller,
            "can": {scope.value: scope in self.caller.scopes for scope in Scope},
            "section": self.section,
            "undo_seconds": self._undoable(),
            "memberships": SimpleLazyObject(partial(access.memberships, self.request.user)),  # type: ignore[arg-type]  # signed in: see dispatch
        }
        template = template or (self.request.htmx and self.fragment) or self.template  # type: ignore[attr-defined]  # HtmxMiddleware's
        answer = render(self.request, template, shared | context, status=status)
        answer["Cache-Control"] = "private, no-store"  # faces, names, sometimes a secret
        if pictured:
            pictures.show_faces(self.caller, faces=pictured)
        return answer

    def _undoable(self) -> int:
        """Return for how many seconds the last change can still be undone; forget it after that."""
        _, until = self.request.session.get(UNDO, ("", 0.0))
        left: int = max(0, round(until - time.time()))
        if until and not left:
            del self.request.session[UNDO]
        return left

    def values(self, form: Form) -> dict[str, Any]:
        """Return the values of a form that has no page of its own.

        Raises:
            ValidationError: the form is invalid.
        """
        if not form.is_valid():
            wrong = {form[name].label: " ".join(map(str, each)) for name, each in form.errors.items()}
            raise ValidationError([f"{label}: {sentence}" for label, sentence in wrong.items()])
        return form.cleaned_data

    def refused(self, error: Exception) -> HttpResponse:
        """Explain the error: to htmx in a fragment, else on a page."""
        status, sentence = self.explained(error)
        if self.request.htmx:  # type: ignore[attr-defined]  # HtmxMiddleware's
            return self.page(status, "console/_refused.html", sentence=sentence)
        back = self.request.META.get("HTTP_REFERER", "")
        here = url_has_allowed_host_and_scheme(back, allowed_hosts={self.request.get_host()})
        return self.page(
            status, "console/refused.html", sentence=sentence, back=back if here else self.link("overview")
        )

    def explained(self, error: Exception) -> tuple[int, str]:
        """Return the status and the sentence of an error; the request log records its reason."""
        self.request.META["faceplane.refusal"] = {"code": type(error).__name__, "reason": reason(error)}
        return explain(error)

    def done(self, sentence: str, name: str, **where: Any) -> HttpResponse:
        """Redirect to a page and show the sentence there."""
        messages.success(self.request, sentence)
        return redirect(self.link(name, **where))

    def show_once(self, name: str, values: dict[str, str]) -> HttpResponse:
        """Redirect to a page that shows these values, such as a new secret, only the first time it is loaded."""
        self.request.session[_SHOWN_ONCE] = shown_once.seal(self.caller, page=name, values=values)
        return redirect(self.link(name))

    def take_once(self, name: str) -> dict[str, str] | None:
        """Return the values that `show_once` stored for this page, and delete them."""
        sealed = self.request.session.pop(_SHOWN_ONCE, None)
        return shown_once.unseal(self.caller, page=name, sealed=sealed) if sealed else None

    def offer_undo(self, kind: str, values: Mapping[str, Any]) -> None:
        """Offer on the next page to undo a change; `values` are what its operation needs."""
        sealed = shown_once.seal(self.caller, page=UNDO, values={"kind": kind, "values": json.dumps(values)})
        self.request.session[UNDO] = [sealed, time.time() + UNDO_SECONDS]

    def link(self, name: str, **where: Any) -> str:
        """Return the address of a page of this tenant."""
        return reverse(f"console:{name}", kwargs={"tenant": self.caller.tenant.slug, **where})


class FormView(ConsoleView):
    """A page with one form; subclasses define `form`, `show`, `submit`. Errors of operations are shown in the form."""

    form: ClassVar[type[Form]]

    def blank(self, **where: Any) -> Form:
        """Return the form as it is first shown."""
        return self.form()

    def filled(self, **where: Any) -> Form:
        """Return the form with the submitted values."""
        return self.form(self.request.POST, self.request.FILES)

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Perform the action and redirect."""
        raise NotImplementedError

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Render the page around the form."""
        return self.page(status, form=form, **where)

    def get(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Show the form."""
        return self.show(self.blank(**where), **where)

    def post(self, request: HttpRequest, **where: Any) -> HttpResponse:
        """Perform the action, or show the form again with its errors."""
        form = self.filled(**where)
        if form.is_valid():
            try:
                return self.submit(form, **where)
            except FAMILIES as error:
                status, sentence = self.explained(error)
                form.add_error(None, sentence)
                return self.show(form, status=status, **where)
        return self.show(form, status=400, **where)


class RefusingMixin:
    """Makes Django's form views answer 400 when they show a form again, as ours do."""

    request: HttpRequest

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Answer 400 after a POST."""
        status = HTTPStatus.BAD_REQUEST if self.request.method == "POST" else HTTPStatus.OK
        answer: HttpResponse = super().render_to_response(context, status=status, **kwargs)  # type: ignore[misc]  # of the view that this is mixed into
        return answer


def download(content: str | bytes, name: str, kind: str = "application/json") -> HttpResponse:
    """Answer with a file to download, which no cache stores."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type=kind, headers=headers)


def suspended(request: HttpRequest, slug: str) -> HttpResponse | None:
    """Answer 403 to a member of a suspended tenant, with whom to ask; None for everybody else."""
    found = next((one.tenant for one in access.suspended_memberships(request.user) if one.tenant.slug == slug), None)  # type: ignore[arg-type]  # signed in: see dispatch
    if found is None:
        return None
    context = {"tenant": found, "operator": settings.DEFAULT_FROM_EMAIL}
    return render(request, "console/suspended.html", context, status=HTTPStatus.FORBIDDEN)


def not_found(request: HttpRequest, **anything: Any) -> HttpResponse:
    """Answer 404: a missing page, a missing tenant and a missing membership look the same."""
    return render(request, "console/not_found.html", status=404)
