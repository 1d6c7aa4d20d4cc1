"""Members: invitations, roles, and who may change whom."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tenants import access, audit
from tenants.models import AuditEntry, Invitation, Member, Tenant
from tenants.tasks import forget
from tests.conftest import Customer
from tests.console.conftest import PASSWORD, member, page_url, path_of, signed_in


def _invited(inviter: Client, role: str) -> str:
    """Create an invitation and return its link's path."""
    page = inviter.post(page_url("members"), {"email": "friend@example.com", "role": role}, follow=True)
    return path_of(page.context["invited"]["link"])


def _opens(link: str) -> bool:
    return Client().get(link, follow=True).status_code == 200


def test_an_invitation_makes_a_member_once(acme: Customer) -> None:
    owner = signed_in(member(acme, "owner"))
    page = owner.post(page_url("members"), {"email": "new@example.com", "role": "operator"}, follow=True)
    link = path_of(page.context["invited"]["link"])
    newcomer = Client()
    assert b"Acme" in newcomer.get(link, follow=True).content
    chosen = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}
    assert newcomer.post("/account/invitation/", chosen)["Location"] == "/console/acme/"
    assert newcomer.get("/console/acme/").status_code == 200
    assert Member.objects.of(acme.tenant).get(user__username="newcomer").role == "operator"
    assert Client().get(link).status_code == 404
    assert audit.verify(acme.tenant).sound


def test_a_tenant_s_first_owner_comes_in_by_the_link_of_the_command(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="valid email"):
        call_command("create_tenant", "first", "--owner", "nobody")
    assert not Tenant.objects.filter(slug="first").exists()
    call_command("create_tenant", "first", "--owner", "first@example.com")
    link = path_of(capsys.readouterr().out.split()[-1])
    newcomer = Client()
    newcomer.get(link)
    newcomer.post("/account/invitation/", {"username": "first", "password1": PASSWORD, "password2": PASSWORD})
    assert newcomer.get("/console/first/members/").status_code == 200
    tenant = Tenant.objects.get(slug="first")
    assert Member.objects.of(tenant).get().role == "owner"
    assert AuditEntry.objects.of(tenant).filter(action="member.invited", actor_id="create_tenant").exists()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [(["a b"], "slug: Enter a valid"), (["a" * 51], "slug: .* at most 50"), (["a", "b" * 201], "name: .* at most 200")],
)
def test_no_tenant_is_made_under_a_slug_that_no_address_holds(db: None, words: list[str], refusal: str) -> None:
    with pytest.raises(CommandError, match=refusal):
        call_command("create_tenant", *words)
    assert not Tenant.objects.exists()


def test_a_withdrawn_or_old_invitation_opens_nothing(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    links = [
        admin.post(page_url("members"), {"email": f"{n}@example.com", "role": "auditor"}, follow=True).context[
            "invited"
        ]["link"]
        for n in range(2)
    ]
    first, second = Invitation.objects.of(acme.tenant).order_by("pk")
    admin.post(page_url("withdraw", invitation=first.pk))
    Invitation.objects.of(acme.tenant).filter(pk=second.pk).update(expires_at=timezone.now())
    for link in links:
        assert Client().get(path_of(link)).status_code == 404


def test_an_invitation_is_valid_while_its_inviter_may_invite(acme: Customer) -> None:
    """With the inviter demoted, deactivated or removed, the link opens nothing and is not listed; others still do."""
    boss, leaver = member(acme, "admin"), User.objects.create_user("leaver")
    member(acme, "owner")  # one has to stay
    place = Member.unscoped.create(tenant=acme.tenant, user=leaver, role="owner")
    owner, other = signed_in(leaver), signed_in(boss)
    as_owner, as_admin, theirs = _invited(owner, "owner"), _invited(owner, "admin"), _invited(other, "admin")
    for role, deactivated, opening in (
        ("owner", False, {as_owner, as_admin}),
        ("admin", False, {as_admin}),
        ("operator", False, set()),
        ("owner", True, set()),
    ):
        Member.unscoped.filter(pk=place.pk).update(role=role)
        User.objects.filter(pk=leaver.pk).update(is_active=not deactivated)
        assert {link for link in (as_owner, as_admin, theirs) if _opens(link)} == {*opening, theirs}
        shown = other.get(page_url("members")).context["team"].invitations
        assert len(shown) == 1 + len(opening)
    place.role = "admin"
    place.save()
    User.objects.filter(pk=leaver.pk).update(is_active=True)
    assert _opens(as_admin)
    other.post(page_url("member_remove", member=place.pk))
    assert not _opens(as_admin)
    assert Invitation.objects.of(acme.tenant).get().inviter == Member.objects.of(acme.tenant).get(user=boss)


def test_an_invitation_that_lapses_while_somebody_takes_it_makes_no_member(
    acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss = member(acme, "admin")
    link = _invited(signed_in(boss), "admin")
    friend = Client(raise_request_exception=False)
    friend.get(link)
    found = access.invitation_for(link.rstrip("/").rpartition("/")[2])
    monkeypatch.setattr(access, "invitation_for", lambda _secret: found)
    Member.objects.of(acme.tenant).filter(user=boss).update(role="auditor")
    chosen = {"username": "friend", "password1": PASSWORD, "password2": PASSWORD}
    friend.post("/account/invitation/", chosen)
    assert Member.objects.of(acme.tenant).get().user == boss


def test_an_invitation_is_forgotten_when_its_time_is_over(acme: Customer) -> None:
    admin = signed_in(member(acme, "admin"))
    kept, old = _invited(admin, "auditor"), _invited(admin, "auditor")
    last = Invitation.objects.of(acme.tenant).order_by("-pk")[:1].get()
    assert last.expires_at - last.created_at <= timedelta(days=7)
    Invitation.objects.of(acme.tenant).filter(pk=last.pk).update(expires_at=timezone.now(), accepted_at=timezone.now())
    forget()
    assert Invitation.objects.of(acme.tenant).count() == 1
    assert (_opens(kept), _opens(old)) == (True, False)


def test_only_owners_deal_with_owners_and_one_stays(acme: Customer) -> None:
    owner_user, admin = member(acme, "owner"), signed_in(member(acme, "admin"))
    owner = signed_in(owner_user)
    first = Member.objects.of(acme.tenant).get(user=owner_user)
    assert admin.post(page_url("members"), {"email": "x@example.com", "role": "owner"}).status_code == 403
    assert admin.post(page_url("member_remove", member=first.pk)).status_code == 403
    assert admin.post(page_url("member", member=first.pk), {"role": "auditor"}).status_code == 403
    assert owner.post(page_url("member", member=first.pk), {"role": "auditor"}).status_code == 403  # the last one
    first.refresh_from_db()
    assert first.role == "owner"


def test_a_removed_member_is_a_stranger_at_once(acme: Customer) -> None:
    owner, leaver = signed_in(member(acme, "owner")), member(acme, "operator")
    client = signed_in(leaver)
    assert client.get("/console/acme/").status_code == 200
    owner.post(page_url("member_remove", member=Member.objects.of(acme.tenant).get(user=leaver).pk))
    assert client.get("/console/acme/").status_code == 404


def test_a_member_of_a_suspended_tenant_reads_so_and_whom_to_ask(acme: Customer, globex: Customer) -> None:
    """Others still learn nothing of the tenant."""
    owner, stranger = signed_in(member(acme, "owner")), signed_in(member(globex, "owner"))
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)
    answer = owner.get(page_url("overview"))
    assert answer.status_code == 403
    assert "Acme is suspended" in answer.content.decode()
    assert "faceplane@localhost" in answer.content.decode()
    home = owner.get("/console/").content.decode()
    assert "suspended" in home
    assert "You do not belong to a tenant yet" not in home
    assert stranger.get(page_url("overview")).status_code == 404
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.ERASED)
    assert owner.get(page_url("overview")).status_code == 404
