"""No page of the console reaches another tenant's data: every page of the URL configuration is tried.

New pages are included automatically. To another tenant's ids in its address, form or query, a page must answer byte for
byte as to ids that do not exist, in every role; to ids of the own tenant it must answer differently, else the test
would prove nothing. tests/console/test_roles.py checks who may see and do what within a tenant.
"""

import io
import re
import secrets
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from collections_app.console.urls import TENANT
from collections_app.models import Person
from collections_app.operations.members import invite
from tenants.models import Invitation, LoggedRequest, Member
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.console.test_roles import ROLES
from tests.dialects.clients import upload
from tests.make import portrait
from tests.world import GLOBEX, missing, stock, two_tenants

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Page:
    """A method at a page's address; `takes` are the parameters of the address besides the tenant."""

    name: str
    method: str
    takes: tuple[str, ...]

    def __str__(self) -> str:
        """Name it for the test's report."""
        return f"{self.method.upper()} {self.name}"


def _pages(patterns: list[URLPattern | URLResolver], before: tuple[str, ...] = ()) -> Iterator[Page]:
    for pattern in patterns:
        takes = (*before, *pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            yield from _pages(pattern.url_patterns, takes)
        elif pattern.name and (view := getattr(pattern.callback, "view_class", None)):
            yield from (Page(pattern.name, method, takes) for method in ("get", "post") if hasattr(view, method))


PAGES = list(_pages(TENANT))
NO_ID = {"action", "form"}
IMAGE = portrait("sunak")


@dataclass(frozen=True)
class Places:
    """One id of each kind, in the console's form."""

    alias: str
    collection: str
    face: str
    person: int
    other: int
    search: str
    member: int
    invitation: int
    key: str
    webhook: str
    receipt: str
    delivery: int
    logged: int
    job: str


def _large() -> int:
    """Return an id that occurs nowhere else on a page."""
    return secrets.randbits(61) + 2**61


def _nowhere() -> Places:
    """Return ids of the right form that do not exist."""
    none = missing()
    inner = (none.face, _large(), _large(), none.search, _large(), _large())
    last = (none.receipt, int(none.delivery), _large(), none.job)
    return Places(none.alias, none.collection, *inner, none.key, none.webhook, *last)


def _places(customer: Customer, name: str, marker: str = "ours") -> Places:
    """Fill a new collection, and return an id of each kind."""
    ids = stock(customer.caller, name, marker)
    people = Person.objects.of(customer.tenant)
    person, other = (people.get(reference=reference).pk for reference in (ids.person, ids.other))
    user = User.objects.create_user(f"{marker}@{name}")
    joined = Member.unscoped.create(id=_large(), tenant=customer.tenant, user=user, role="operator").pk
    email, invited = f"{marker}@example.com", _large()
    invite(customer.caller, email=email, role="operator")
    Invitation.objects.of(customer.tenant).filter(email=email).update(id=invited)
    inner = (ids.face, person, other, ids.search, joined, invited)
    facts = {"request_id": marker, "status": 200, "milliseconds": 1.0, "at": timezone.now(), "key": ids.key}
    logged = LoggedRequest.unscoped.create(tenant=customer.tenant, **facts).pk
    last = (ids.receipt, int(ids.delivery), logged, ids.job)
    return Places(ids.alias, ids.collection, *inner, ids.key, ids.webhook, *last)


@dataclass(frozen=True)
class World:
    """Acme's and Globex's ids, and a member of Acme in each role."""

    acme: Customer
    own: Places
    foreign: Places
    team: dict[str, User]


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Create the world once: every request is rolled back."""
    with two_tenants(django_db_blocker, tmp_path_factory.mktemp("files")) as (acme, globex):
        own, foreign = _places(acme, "own-one"), _places(globex, "foreign", GLOBEX)
        yield World(acme, own, foreign, {role: member(acme, role) for role in ROLES})


def _inside(own: Places, ids: Places) -> Places:
    """Return the ids with the own collection in front."""
    return replace(ids, alias=own.alias, collection=own.collection)


def _ask(page: Page, user: User, ids: Places) -> Any:
    """Open the page, or submit its form, with these ids; roll back its changes."""
    known = vars(ids) | {"action": "search", "form": "json"}
    assert known.keys() >= set(page.takes), f"{page}: say in Places what its parameter is"
    address = reverse(f"console:{page.name}", kwargs={"tenant": "acme"} | {name: known[name] for name in page.takes})
    sent: dict[str, Any] = {"collection": ids.collection, "collections": [ids.collection], "faces": [ids.face]}
    sent |= {"person": ids.person, "other": ids.other, "face": ids.face, "key": ids.key, "target": ids.face}
    sent |= {"people": [ids.person]}
    if page.method == "post":
        sent |= {"name": "x", "typed": ids.collection, "role": "auditor", "email": "x@example.com", "hours": 0}
        sent |= {"scopes": ["read"], "image": upload(IMAGE), "reference": "x", "change": "add"}
    with transaction.atomic():
        client: Client = signed_in(user)
        answer: Any = getattr(client, page.method)(address, sent)
        answer.opened = _opened(answer.getvalue())
        transaction.set_rollback(True)
    return answer


def _opened(content: bytes) -> bytes:
    """Return the content of an archive without the statement, which holds the time."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist() if name != "statement.json")


def _face_of(answer: Any, ids: Places) -> tuple[int, str, bytes]:
    """Return status, redirect and content, without new secrets and without the requested ids."""
    place, content = answer.get("Location", "").encode(), re.sub(rb"[\w-]{43,}", b"<secret>", answer.opened)
    place = re.sub(rb"receipts/[0-9a-f-]{36}/", b"receipts/<new>/", place)
    place = re.sub(rb"capture/cap_[\w.-]+", b"capture/<new>", place)
    content = re.sub(rb"invitations/\d{1,9}/", b"invitations/<new>/", content)  # PostgreSQL counts on; ours are longer
    for value in vars(ids).values():
        place, content = (text.replace(str(value).encode(), b"<id>") for text in (place, content))
    return answer.status_code, place.decode(), content


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_foreign_id_is_answered_like_a_missing_one(page: Page, world: World) -> None:
    """Every page x each role x another tenant's ids: the answer to a missing id, and no foreign byte."""
    nobody = _nowhere()
    pairs = [(world.foreign, nobody)]
    if "alias" in page.takes:
        pairs += [(_inside(world.own, world.foreign), _inside(world.own, nobody))]
    for role, user in world.team.items():
        for theirs, none in pairs:
            answer = _ask(page, user, theirs)
            assert GLOBEX.encode() not in answer.opened, role
            assert _face_of(answer, theirs) == _face_of(_ask(page, user, none), none), role


@pytest.mark.parametrize("page", [page for page in PAGES if set(page.takes) - NO_ID], ids=str)
def test_ones_own_ids_are_answered_otherwise(page: Page, world: World) -> None:
    """Without this, a page that finds nothing for anybody would pass the test above."""
    gone = page.method == "post" and "delete" in page.name  # an index remembers what is undone here
    own = _places(world.acme, "own-six", "sixth") if gone else world.own
    nobody, owner = _nowhere(), world.team["owner"]
    assert _face_of(_ask(page, owner, own), own) != _face_of(_ask(page, owner, nobody), nobody)


# A script requests these and puts the answer into the open page: an image, or a part of a page.
FOR_SCRIPTS = {"playground_try", "playground_picture", "person_add"}


@pytest.mark.parametrize("role", ["owner", "auditor"])
@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "post"], ids=str)
def test_a_form_is_answered_with_a_redirect_or_a_refusal(page: Page, role: str, world: World) -> None:
    """Reloading the page must not post again."""
    answer = _ask(page, world.team[role], world.own)
    if page.name in FOR_SCRIPTS and answer.status_code == 200:
        assert not re.search(rb"<html|<body", answer.opened)
    elif answer.get("Content-Disposition"):  # a file leaves the page as it is
        assert answer.status_code == 200
    else:
        assert answer.status_code == 303 or 400 <= answer.status_code < 500
