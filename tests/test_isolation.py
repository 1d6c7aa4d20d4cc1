"""No endpoint of any dialect, as found in the URL configuration, reaches another tenant's data.

A new endpoint is in the table by itself. It has to work with ids of one's own (else the table tests nothing), and to
answer to another tenant's id as it answers to a missing one, byte for byte, whatever the key may do.

One file although it is longer than 300 lines: one table of endpoints, with a body for each.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import DjangoDbBlocker

from collections_app.dialects import DIALECTS
from collections_app.dialects.base import DialectView
from collections_app.models import Collection
from tenants import keys
from tenants.access import ALL_SCOPES, Scope
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.dialects.clients import send
from tests.dialects.examples import EXAMPLES
from tests.world import GLOBEX, Ids, missing, stock, two_tenants

pytestmark = pytest.mark.django_db
Role = tuple[IssuedKey, IssuedKey]  # a key that clients send, and one of the same rights with which they sign
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Endpoint:
    """A method at a route of the URL configuration."""

    route: str
    method: str
    view: type[DialectView]

    def __str__(self) -> str:
        """Name it for the test's report."""
        return f"{self.method.upper()} {self.route}"


def _endpoints(patterns: Any, prefix: str = "") -> Iterator[Endpoint]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _endpoints(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            view = getattr(pattern.callback, "view_class", None)
            if view is not None and issubclass(view, DialectView):
                yield from (Endpoint(route, method, view) for method in METHODS if hasattr(view, method))


# No tenant's key opens the operator's, nor what capture tokens open: test_operator.py and test_captures.py of dialects.
NO_KEY_S = ("api/v1/operator/", "api/v1/captures/<str:capture>/")
ENDPOINTS = [one for one in _endpoints(get_resolver().url_patterns) if not one.route.startswith(NO_KEY_S)]
# What takes no id: it tells of the caller's own, or makes something new.
WITHOUT_ID = {name for examples in EXAMPLES.values() for name in examples.without_id}
# What answers to an unknown id with nothing, and no error.
UNKNOWN_IS_NO_ERROR = {name for examples in EXAMPLES.values() for name in examples.unknown_is_no_error}
# What has an id within a collection in its query or body.
INNER_IDS = {name for examples in EXAMPLES.values() for name in examples.inner_ids}
# What makes a collection, and how its dialect says no.
MAKES_A_COLLECTION = {name: no for examples in EXAMPLES.values() for name, no in examples.makes_a_collection.items()}
# Where the dialect's body does not fit.
OWN_BODIES = {name: body for examples in EXAMPLES.values() for name, body in examples.bodies.items()}


def ask(endpoint: Endpoint, role: Role, ids: Ids) -> Any:
    """Send the endpoint's request with these ids; undo its changes."""
    dialect, issued = endpoint.view.dialect, role[bool(endpoint.view.dialect.credentials.signs)]
    with transaction.atomic(), _limited(issued, ids) if dialect.one_collection else nullcontext():
        answer = request(endpoint, issued, ids)
        answer.received = answer.getvalue()  # read a stream before the rollback
        transaction.set_rollback(True)
    return answer


def request(endpoint: Endpoint, issued: IssuedKey, ids: Ids) -> Any:
    """Send the endpoint's request with these ids."""
    dialect = endpoint.view.dialect
    examples = EXAMPLES[dialect.name]
    ids = replace(ids, job=ids.export) if endpoint.route.endswith("/bundle") else ids
    path = "/" + endpoint.route
    for name, value in dialect.credentials.in_path(issued.key.pk).items():
        path = path.replace(f"<str:{name}>", value)
    path = path.replace("<str:group>", ids.collection)
    for field in fields(ids):
        path = re.sub(f"<(str|name|path):{field.name}>", getattr(ids, field.name), path)
    assert "<" not in path, f"{endpoint}: add its parameter to Ids"
    body = OWN_BODIES.get(str(endpoint), examples.body)(ids)
    if examples.strict:
        body = {name: body[name] for name in getattr(endpoint.view, endpoint.method).takes.body or () if name in body}
    named = ("collectionId", "faceId", "page", "limit", "threshold", "subject")
    query = {name: body[name] for name in named if name in body}
    if endpoint.method in {"get", "delete"} or examples.queries:
        path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
    return send(dialect, issued, endpoint.method.upper(), path, json.dumps(body).encode())


@contextmanager
def _limited(issued: IssuedKey, ids: Ids) -> Iterator[None]:
    """Limit a key that reaches everything to the collection of these ids, or if that is another tenant's to its own."""
    key = issued.key
    before, own = key.collections, Collection.objects.of(key.tenant)
    if before is None:
        theirs = own.filter(name=ids.collection).first() or own.get(name="own-one")
        key.collections = [theirs.pk]
        key.save()
    yield
    key.collections = before


def face_of(answer: Any, ids: Ids) -> tuple[int, str, bytes]:
    """Return status, type and content, without the request's id and the requested ids."""
    content = answer.received.replace(answer["X-Request-Id"].encode(), b"<request>")
    for field in fields(ids):
        content = content.replace(getattr(ids, field.name).encode(), b"<id>")
    return answer.status_code, answer.get("Content-Type", ""), content


@dataclass(frozen=True)
class World:
    """Ids of acme, of another collection of acme, of globex, and acme's keys by their rights."""

    acme: Customer
    own: Ids
    sibling: Ids
    foreign: Ids
    roles: dict[str, Role]


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Create the world once, committed: no request of the table changes it. Names of collections have equal lengths."""
    with two_tenants(django_db_blocker, tmp_path_factory.mktemp("files")) as (acme, globex):
        own, sibling = stock(acme.caller, "own-one"), stock(acme.caller, "own-two")
        yield World(acme, own, sibling, stock(globex.caller, "foreign", GLOBEX), roles(acme, own))


def roles(acme: Customer, own: Ids) -> dict[str, Role]:
    """Return keys for each scope, with all, and of a single collection."""
    issued = {scope.value: _role(acme, scopes=[scope]) for scope in Scope}
    collection = Collection.objects.of(acme.tenant).get(name=own.collection)
    issued["everything"] = _role(acme, scopes=ALL_SCOPES - {Scope.SCORES})
    issued["everything and scores"] = _role(acme, scopes=ALL_SCOPES)
    issued["one collection"] = _role(acme, scopes=list(Scope), collections=[collection.pk])
    return issued


def _role(acme: Customer, **given: Any) -> Role:
    sent, signed = (keys.issue(acme.tenant, name="role", signs=signs, **given) for signs in (False, True))
    return sent, signed


def test_the_table_holds_every_dialect() -> None:
    assert {endpoint.view.dialect.name for endpoint in ENDPOINTS} == {dialect.name for dialect in DIALECTS}
    assert len(ENDPOINTS) > 40
    assert {str(endpoint) for endpoint in ENDPOINTS} >= WITHOUT_ID | UNKNOWN_IS_NO_ERROR | INNER_IDS | OWN_BODIES.keys()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_a_foreign_id_is_answered_like_a_missing_one(endpoint: Endpoint, world: World) -> None:
    """Check 4: each operation, for each role, answers another tenant's ids like missing ones, with no foreign byte."""
    unknown = missing()
    # Ids within a collection: the collection is the caller's, the person or face another tenant's.
    collection = {"collection": world.own.collection, "alias": world.own.alias}
    inside, outside = replace(world.foreign, **collection), replace(unknown, **collection)
    for role, issued in world.roles.items():
        theirs = ask(endpoint, issued, world.foreign)
        assert GLOBEX.encode() not in theirs.received, role
        if str(endpoint) not in WITHOUT_ID:
            assert theirs.status_code >= 400 or _says_no(theirs) or str(endpoint) in UNKNOWN_IS_NO_ERROR, role
            assert face_of(theirs, world.foreign) == face_of(ask(endpoint, issued, unknown), unknown), role
        if _takes_an_inner_id(endpoint):
            assert face_of(ask(endpoint, issued, inside), inside) == face_of(ask(endpoint, issued, outside), outside), (
                role
            )
    one = world.roles["one collection"]
    if str(endpoint) in WITHOUT_ID:
        content = ask(endpoint, one, world.own).received
        assert [field.name for field in fields(Ids) if getattr(world.sibling, field.name).encode() in content] == []
    else:
        sibling = face_of(ask(endpoint, one, world.sibling), world.sibling)
        assert sibling == face_of(ask(endpoint, one, unknown), unknown)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_the_table_s_request_works_with_ids_of_one_s_own(endpoint: Endpoint, world: World) -> None:
    """Check 4: otherwise an endpoint whose request is malformed would pass the test above for the wrong reason."""
    gone = endpoint.method == "delete" or re.search(
        "remove|Delete", endpoint.route
    )  # the index does not undo what the transaction does
    own = stock(world.acme.caller, "own-six") if gone else world.own
    answer = ask(endpoint, world.roles["everything and scores"], own)
    assert answer.status_code < 300, answer.received
    assert not _says_no(answer), answer.received


@pytest.mark.parametrize("name", MAKES_A_COLLECTION)
def test_a_key_of_one_collection_makes_no_other(name: str, world: World) -> None:
    """Check 4: whatever scopes it has, a new collection is beyond its reach."""
    (endpoint,) = (endpoint for endpoint in ENDPOINTS if str(endpoint) == name)
    status, code = MAKES_A_COLLECTION[name]
    answer = ask(endpoint, world.roles["one collection"], world.own)
    assert answer.status_code == status
    assert code in answer.received.decode()


def _says_no(answer: Any) -> bool:
    """Return whether a vendor's envelope refuses with status 200."""
    try:
        body = json.loads(answer.received)
    except ValueError:
        return False
    if not isinstance(body, dict):
        return False
    header = body.get("header", {})
    return bool(header and not header.get("isSuccessful", True)) or body.get("code", 0) not in {0, 200}


def _takes_an_inner_id(endpoint: Endpoint) -> bool:
    kinds = ("person", "reference", "face", "receipt", "job", "search", "webhook", "delivery", "key")
    names = {f":{kind}>" for kind in kinds}
    return any(name in endpoint.route for name in names) or str(endpoint) in INNER_IDS
