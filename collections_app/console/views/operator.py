"""The operator's pages: the whole installation, and each tenant as far as it is the operator's; no people, no faces.

They are for superusers; to everybody else they look as if they did not exist.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from collections_app.console.base import not_found
from collections_app.console.errors import FAMILIES, explain
from collections_app.console.operator_forms import InviteMemberForm, NewTenantForm, TenantForm
from collections_app.operations import members, shown_once, tenants, usage
from collections_app.operations.collections import list_collections
from tenants import operators, rls
from tenants.access import Caller
from tenants.errors import TenantNotFound
from tenants.links import absolute
from tenants.operators import Operator

_PAGE = 50
_INVITED = "operator_invited"


class OperatorView(View):
    """A page of the operator."""

    template = ""
    operator: Operator

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Find the operator first, then handle the request; an error becomes a page that explains it."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        found = operators.operator_for_user(
            request.user,
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("faceplane.request_id", ""),
        )
        if found is None:
            return not_found(request)
        self.operator = found
        try:
            with rls.all_tenants():
                return super().dispatch(request, *args, **kwargs)
        except TenantNotFound:
            return not_found(request)
        except FAMILIES as error:
            status, sentence = explain(error)
            return self.page(status, "console/refused.html", sentence=sentence, back=reverse("operator"))

    def page(self, status: int = 200, template: str = "", **context: Any) -> HttpResponse:
        """Render the page."""
        shared = {"side": "console/operator/_side.html", "place": _("Server operator")}
        answer = render(self.request, template or self.template, shared | context, status=status)
        answer["Cache-Control"] = "private, no-store"  # sometimes with an invitation's secret
        return answer

    def within(self, slug: str) -> Caller:
        """Return the caller for work on a tenant."""
        return self.operator.within(tenants.get_tenant(self.operator, tenant=slug))

    def done(self, sentence: str, slug: str) -> HttpResponse:
        """Redirect to the tenant's page and show the sentence there."""
        messages.success(self.request, sentence)
        return redirect("console:operator_tenant", slug=slug)


class DashboardView(OperatorView):
    """The installation: tenants with their use, work, failures, the schedule, this host, findings of the doctor.

    `examine` and `tables` are config's, which knows all parts of the installation.
    """

    template = "console/operator/dashboard.html"
    examine: Callable[[], Sequence[Any]] | None = None
    tables: Callable[[Sequence[Any]], dict[str, Any]] | None = None

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        after = request.GET.get("after", "")
        found = tenants.list_tenants(self.operator, limit=_PAGE + 1, after=after)
        shown = found[:_PAGE]
        more = shown[-1].slug if len(found) > _PAGE else ""
        findings = self.examine() if self.examine else ()
        return self.page(findings=findings, more=more, **(self.tables(shown) if self.tables else {}))


class NewTenantView(OperatorView):
    """Create a tenant."""

    template = "console/operator/new.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self.page(form=NewTenantForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create it, unless there is one of this short name."""
        form = NewTenantForm(request.POST)
        if form.is_valid():
            slug = form.cleaned_data.pop("slug")
            if tenants.create_tenant(self.operator, tenant=slug, values=form.cleaned_data):
                return self.done(_("The tenant is created. Invite its owner now."), slug)
            form.add_error("slug", _("This short name is taken."))
        return self.page(HTTPStatus.BAD_REQUEST, form=form)


class TenantView(OperatorView):
    """A tenant: use, limits, members, invitations."""

    template = "console/operator/tenant.html"

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show it, and once the link of a new invitation."""
        found = tenants.get_tenant(self.operator, tenant=slug)
        names = TenantForm.base_fields
        return self.show(slug, TenantForm(initial={name: getattr(found, name) for name in names}))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Change name and limits."""
        form = TenantForm(request.POST)
        self.within(slug)  # put_tenant would create one
        if not form.is_valid():
            return self.show(slug, form, status=HTTPStatus.BAD_REQUEST)
        tenants.put_tenant(self.operator, tenant=slug, values=form.cleaned_data)
        return self.done(_("Saved."), slug)

    def show(self, slug: str, form: Form, invite: Form | None = None, status: int = 200) -> HttpResponse:
        """Render the page around the forms."""
        caller = self.within(slug)
        report = usage.report_usage(caller)
        sealed = self.request.session.pop(_INVITED, None)
        shown: dict[str, Any] = {
            "of": caller.tenant,
            "team": members.team(caller),
            "report": report,
            "faces": sum(one.gallery.size for one in list_collections(caller)),
            "invited": shown_once.unseal(caller, page=_INVITED, sealed=sealed) if sealed else None,
        }
        return self.page(status, form=form, invite=invite or InviteMemberForm(), **shown)


class StateView(OperatorView):
    """Suspend a tenant, or lift that."""

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Set its state."""
        self.within(slug)  # put_tenant would create one
        active = "active" in request.POST
        tenants.put_tenant(self.operator, tenant=slug, values={"state": "active" if active else "suspended"})
        done = _("The tenant is active again.") if active else _("The tenant is suspended.")
        return self.done(done, slug)


class InviteView(TenantView):
    """Invite a member."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show the tenant's page: this address is only posted to."""
        return redirect("console:operator_tenant", slug=slug)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Create the invitation and show its link once."""
        caller, form = self.within(slug), InviteMemberForm(request.POST)
        if not form.is_valid():
            found = caller.tenant
            values = TenantForm(initial={name: getattr(found, name) for name in TenantForm.base_fields})
            return self.show(slug, values, form, status=HTTPStatus.BAD_REQUEST)
        secret = members.invite(caller, **form.cleaned_data)
        link = absolute(reverse("console:invitation_link", kwargs={"secret": secret}))
        values = {"link": link, "email": form.cleaned_data["email"]}
        request.session[_INVITED] = shown_once.seal(caller, page=_INVITED, values=values)
        return redirect("console:operator_tenant", slug=slug)


class WithdrawView(OperatorView):
    """Withdraw an invitation."""

    def post(self, request: HttpRequest, slug: str, invitation: int) -> HttpResponse:
        """Invalidate its link."""
        members.withdraw(self.within(slug), invitation=invitation)
        return self.done(_("The invitation is withdrawn."), slug)


class RetryView(OperatorView):
    """Try work that failed again."""

    def post(self, request: HttpRequest, slug: str, work: str) -> HttpResponse:
        """Have it done again."""
        tenants.retry(self.operator, tenant=slug, work=work)
        messages.success(request, _("It is tried again."))
        return redirect("operator")
