"""Shared fixtures: two tenants that must never see each other's data, each with a key and a collection."""

import json
import os
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import Client

from collections_app.dialects.descriptor import Dialect
from collections_app.models import Collection
from collections_app.operations.collections import create_collection
from tenants import commits, keys
from tenants.access import ALL_SCOPES, Caller, Scope, system
from tenants.lifecycle import create_tenant
from tenants.models import Tenant
from tests import processes
from tests.services import LEFT_OUT

collect_ignore = list(LEFT_OUT) if os.environ.get("TEST_SERVICES") else []
# A file is one piece of work for pytest-xdist: a long one that starts last is waited for.
LONGEST = (
    "tests/config/test_backup.py",
    "tests/dialects/test_fuzz.py",
    "tests/test_strangers.py",
    "tests/config/test_deploy.py",
    "tests/test_documents.py",
    "tests/index/test_proof.py",
    "tests/index/test_workers.py",
    "tests/index/test_processes.py",
    "tests/attack/test_template_recovery.py",
    "tests/config/test_file_queue.py",
    "tests/console/test_browser.py",
    "tests/console/test_isolation.py",
    "tests/test_at_rest.py",
    "tests/config/test_readiness.py",
    "tests/config/test_doctor.py",
    "tests/config/test_metrics.py",
    "tests/collections_app/test_size.py",
    "tests/test_resilience.py",
    "tests/test_isolation.py",
    "tests/dialects/test_conformance.py",
    "tests/test_egress.py",
    "tests/test_server_life.py",
    "tests/test_silent_clients.py",
    "tests/test_processes.py",
)
_HOST = tempfile.TemporaryDirectory()


def pytest_configure() -> None:
    """Look static files up on request; otherwise each test client reads a thousand of them first.

    Each test process counts as a host of its own, so that none waits for another's queue.
    """
    settings.WHITENOISE_AUTOREFRESH = True
    settings.HOST_DIR = _HOST.name
    connection_created.connect(_watch_locks)


def _watch_locks(connection: BaseDatabaseWrapper, **_: object) -> None:
    if _lock_no_joined_table not in connection.execute_wrappers:
        connection.execute_wrappers.append(_lock_no_joined_table)


def _lock_no_joined_table(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
    """Fail where a query locks the rows of a joined table too, out of order: `exists()` drops `of=("self",)`."""
    assert not (" JOIN " in sql and sql.endswith("UPDATE")), sql
    return execute(sql, *args)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@dataclass(frozen=True)
class Customer:
    """A tenant, a caller with all scopes, a key with all but `scores`, and a collection called "people"."""

    tenant: Tenant
    caller: Caller
    issued: keys.IssuedKey
    people: Collection

    def key(self, dialect: Dialect, **given: Any) -> keys.IssuedKey:
        """Return a key of the kind that the dialect accepts: its own, or a new one with other values or for signing."""
        usual: dict[str, Any] = {"name": "tests", "scopes": ALL_SCOPES - {Scope.SCORES}}
        kind: dict[str, Any] = {"signs": True} if dialect.credentials.signs else {}
        kind |= {"collections": [self.people.pk]} if dialect.one_collection else {}
        return keys.issue(self.tenant, **usual | kind | given) if kind or given else self.issued


def make_customer(slug: str) -> Customer:
    """Create a customer with that slug."""
    tenant = create_tenant(slug, slug.title())
    caller = system(tenant, "tests")
    issued = keys.issue(tenant, name="tests", scopes=ALL_SCOPES - {Scope.SCORES})
    return Customer(tenant, caller, issued, create_collection(caller, name="people"))


@pytest.fixture(autouse=True)
def _nothing_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no rows of the request log to other tests, whose tenants are others, and take none from them."""
    monkeypatch.setattr(commits, "_deferred", deque())


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Keep the migrated database for the processes that tests start."""
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            connection.ensure_connection()
            processes.migrated.append(connection.connection.serialize())


@pytest.fixture
def acme(db: None) -> Customer:
    """The tenant that most tests use."""
    return make_customer("acme")


@pytest.fixture
def globex(db: None) -> Customer:
    """The other tenant."""
    return make_customer("globex")


class ArgosClient:
    """An integrator's client of the Argos dialect."""

    def __init__(self, token: str, prefix: str = "") -> None:
        """Keep the whole key, and the prefix before each path."""
        self._http = Client(raise_request_exception=False)
        self._token = token
        self._prefix = prefix

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """Send a request with a JSON body or a query."""
        return self._http.generic(
            method,
            self._prefix + path,
            data="" if body is None else json.dumps(body),
            content_type="application/json",
            query_params=query,
            headers={"x-api-key": self._token} if self._token else {},
        )


@pytest.fixture
def argos(acme: Customer) -> ArgosClient:
    """Acme's client."""
    return ArgosClient(acme.issued.token)
