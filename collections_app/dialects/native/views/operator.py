"""What the operator's programs do: tenants, their keys, invitations and usage, with an operator's key."""

from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import shown
from collections_app.dialects.native.views.base import (
    IDEMPOTENCY,
    NativeView,
    described,
    idempotency_key,
    once_only,
)
from collections_app.dialects.native.wire import about
from collections_app.dialects.native.wire import keys as key_wire
from collections_app.dialects.native.wire import operator as wire
from collections_app.dialects.native.wire.base import Page, cursor, from_cursor
from collections_app.dialects.native.wire.faces import fingerprint
from collections_app.errors import CollectionDeleted, CollectionNotFound, KeyInUse, KeyReused
from collections_app.operations import idempotency, keys, members, tenants, usage
from tenants import operators, rls
from tenants.access import Caller
from tenants.links import absolute
from tenants.operators import Operator
from tenants.scope import as_id

_ONCE = (KeyReused, KeyInUse)


class OperatorView(NativeView):
    """The base of these endpoints: no tenant's key is accepted here, and an operator's nowhere else."""

    operator: Operator

    def identify(self, request: Request) -> None:
        """Find the operator's key."""
        self.operator = operators.operator_for_key(
            *self.credentials(request),
            via=self.dialect.name,
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("faceplane.request_id", ""),
        )

    def within(self, slug: str) -> Caller:
        """Return the caller for work on a tenant, whose rows can be reached from now on."""
        caller = self.operator.within(tenants.get_tenant(self.operator, tenant=slug))
        rls.set_tenant(caller.tenant)
        return caller

    def once(self, request: Request, caller: Caller, body: Any, work: Any, render: Any) -> Response:
        """Do what makes a secret once for each Idempotency-Key."""
        key, digest = idempotency_key(request), fingerprint(request.path, body)
        done = idempotency.once_on_rows(
            caller, key=key, fingerprint=digest, work=work, render=render, about=lambda _: ()
        )
        return once_only(done)


class TenantsView(OperatorView):
    """/operator/tenants."""

    @described("listTenants", query=Page, answer=wire.ManagedTenants)
    def get(self, request: Request) -> Response:
        """List tenants by slug."""
        query = self.parse(Page)
        limit, after = query["limit"], from_cursor(query["cursor"], str) or ""
        found = tenants.list_tenants(self.operator, limit=limit + 1, after=after)
        more = cursor(found[limit - 1].slug) if len(found) > limit else None
        return Response(wire.ManagedTenants({"tenants": found[:limit], "next_cursor": more}).data)


class TenantView(OperatorView):
    """/operator/tenants/{tenant}."""

    @described("getTenant", "tenant", answer=wire.ManagedTenant)
    def get(self, request: Request, tenant: str) -> Response:
        """Return a tenant."""
        return Response(shown(wire.ManagedTenant, tenants.get_tenant(self.operator, tenant=tenant)))

    @described("putTenant", "tenant", body=wire.PutTenant, answer=wire.ManagedTenant)
    def put(self, request: Request, tenant: str) -> Response:
        """Create a tenant of this slug unless there is one, and set its name, state and limits."""
        values = self.parse(wire.PutTenant)
        with rls.all_tenants():
            made = tenants.put_tenant(self.operator, tenant=tenant, values=values)
        return Response(shown(wire.ManagedTenant, made))


class TenantUsageView(OperatorView):
    """/operator/tenants/{tenant}/usage."""

    @described("getTenantUsage", "tenant", query=about.Days, answer=about.Usage)
    def get(self, request: Request, tenant: str) -> Response:
        """Return a tenant's calls by UTC day and endpoint, some seconds late, and its limits."""
        caller, days = self.within(tenant), self.parse(about.Days)["days"]
        calls = usage.count_calls(caller, days=days)
        return Response(about.Usage({"usage": calls, "limits": caller.tenant}).data)


class TenantKeysView(OperatorView):
    """/operator/tenants/{tenant}/keys."""

    @described("listTenantKeys", "tenant", answer=key_wire.Keys)
    def get(self, request: Request, tenant: str) -> Response:
        """List a tenant's keys, also revoked ones."""
        return Response(key_wire.Keys({"keys": keys.list_keys(self.within(tenant))}).data)

    @described(
        "issueTenantKey",
        "tenant",
        (CollectionNotFound, CollectionDeleted, *_ONCE),
        body=key_wire.NewKey,
        headers=IDEMPOTENCY,
        status=201,
        answer=key_wire.Issued,
    )
    def post(self, request: Request, tenant: str) -> Response:
        """Issue a key of a tenant, once for each Idempotency-Key; only this answer contains its secret."""
        caller, body = self.within(tenant), self.parse(key_wire.NewKey)
        return self.once(
            request, caller, body, lambda: keys.issue_key(caller, **body), lambda made: shown(key_wire.Issued, made)
        )


class TenantKeyView(OperatorView):
    """/operator/tenants/{tenant}/keys/{key}."""

    @described("revokeTenantKey", "tenant key", query=key_wire.Revocation, answer=key_wire.Key)
    def delete(self, request: Request, tenant: str, key: str) -> Response:
        """Revoke a key of a tenant."""
        caller, query = self.within(tenant), self.parse(key_wire.Revocation)
        revoked = keys.revoke_key(caller, key=key, with_issued=query["issued_keys"] == key_wire.REVOKE)
        return Response(shown(key_wire.Key, revoked))


class TenantMembersView(OperatorView):
    """/operator/tenants/{tenant}/members."""

    @described("listTenantMembers", "tenant", answer=wire.Team)
    def get(self, request: Request, tenant: str) -> Response:
        """List a tenant's members and open invitations."""
        return Response(wire.Team(members.team(self.within(tenant))).data)


class TenantInvitationsView(OperatorView):
    """/operator/tenants/{tenant}/invitations."""

    @described("inviteMember", "tenant", _ONCE, body=wire.Invite, headers=IDEMPOTENCY, status=201, answer=wire.Invited)
    def post(self, request: Request, tenant: str) -> Response:
        """Invite a member, once for each Idempotency-Key; no mail is sent, and only this answer contains the link."""
        caller, body = self.within(tenant), self.parse(wire.Invite)

        def render(secret: str) -> Any:
            link = absolute(reverse("console:invitation_link", kwargs={"secret": secret}))
            return shown(wire.Invited, body | {"link": link})

        return self.once(request, caller, body, lambda: members.invite(caller, **body), render)


class TenantInvitationView(OperatorView):
    """/operator/tenants/{tenant}/invitations/{invitation}."""

    @described("withdrawInvitation", "tenant invitation", status=204, answer=None)
    def delete(self, request: Request, tenant: str, invitation: str) -> Response:
        """Withdraw an invitation."""
        members.withdraw(self.within(tenant), invitation=as_id(invitation) or 0)
        return Response(status=204)
