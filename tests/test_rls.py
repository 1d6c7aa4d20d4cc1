"""Check 5, on PostgreSQL: the second wall between tenants stands where the first has a gap (tenants.rls).

The tests of one process run as the role that owns the tables, which `make test-services` makes; the last one runs the
web server as a role that owns nothing.
"""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import OperationalError, ProgrammingError, connection, models, transaction
from django.test import Client
from pytest_django.fixtures import Settings

from collections_app.models import Collection, Face
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from tenants import rls
from tenants.models import AuditEntry, DataKey
from tenants.scope import TenantManager, TenantOwned
from tests.conftest import ArgosClient, Customer
from tests.dialects.clients import FacedbClient, details
from tests.make import base64_of, portrait
from tests.processes import call, environment, manage, prepare, web_server
from tests.services import POSTGRES_PORT, SUPERUSER, database, needs_postgres

OWNED = [model for model in apps.get_models() if issubclass(model, TenantOwned)]
needs_rls = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no row-level security")


@pytest.fixture
def both(acme: Customer, globex: Customer) -> tuple[Customer, Customer]:
    """Two tenants with a face each, and the same person on it."""
    for customer in (acme, globex):
        enrol_face(customer.caller, collection="people", image=portrait("obama"), person=PersonDetails())
    return acme, globex


def said() -> str:
    """Return what the session says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('faceplane.tenant', true)")
        return str(cursor.fetchone()[0] or "")


def owners(model: type[TenantOwned]) -> set[int]:
    """Return whose rows a query without a WHERE sees."""
    return set(model.unscoped.order_by().values_list("tenant_id", flat=True))


@needs_rls
@pytest.mark.django_db
def test_every_tenant_owned_table_has_the_policy_and_this_role_is_held_by_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        forced = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT tablename FROM pg_policies WHERE policyname = 'tenant_only' AND cmd = 'ALL'")
        policed = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,), "use a role that is no superuser, as make test-services does"
    assert {model._meta.db_table for model in OWNED} <= forced & policed


@needs_rls
def test_a_query_without_a_where_sees_one_tenants_rows_or_none(both: tuple[Customer, Customer]) -> None:
    """Nobody said: 0 rows of every table. One said: its rows alone. Everybody: what workers and commands see."""
    ids = {customer.tenant.pk for customer in both}
    seen = 0
    for model in OWNED:
        seen += owners(model) == ids
        with rls.reach(rls.NOBODY):  # as a web server's process is outside of requests
            assert owners(model) == set()
        for customer in both:
            with rls.one_tenant(customer.tenant):
                assert owners(model) <= {customer.tenant.pk}
                with rls.all_tenants():
                    assert owners(model) >= (ids if model is Face else set())
                assert said() == str(customer.tenant.pk)
    assert seen >= 8  # templates, faces, people, collections, galleries, keys, data keys, audit: there was what to see


@needs_rls
@pytest.mark.parametrize("reach", ["nobody", "other"])
def test_a_row_cannot_be_written_into_another_tenant(both: tuple[Customer, Customer], reach: str) -> None:
    acme, globex = both
    entry = AuditEntry.objects.of(globex.tenant).order_by("number")[0]
    entry.pk, entry.number = None, 10_000
    rows: list[models.Model] = [
        entry,
        Collection(tenant=globex.tenant, name="theirs", similarity_threshold=0.5),
        DataKey(tenant=globex.tenant, version=9, wrapped=b"x"),
    ]
    for row in rows:
        with rls.one_tenant(acme.tenant) if reach == "other" else rls.reach(rls.NOBODY):  # noqa: SIM117
            with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
                row.save(force_insert=True)
    with rls.one_tenant(acme.tenant):
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Face.unscoped.update(tenant=globex.tenant)
        assert Face.unscoped.filter(tenant=globex.tenant).delete()[0] == 0
    assert Face.objects.of(globex.tenant).count() == Face.objects.of(acme.tenant).count() == 1


@needs_rls
@pytest.mark.django_db
def test_a_line_that_dies_while_it_is_told_leaves_nothing_said(acme: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker would go on as one tenant's alone, on every later connection."""

    def dead(database: object) -> None:
        raise OperationalError

    with monkeypatch.context() as broken, pytest.raises(OperationalError):  # noqa: PT012
        broken.setattr(rls, "_send", dead)
        with rls.one_tenant(acme.tenant):
            pass
    assert said() == rls.EVERYBODY
    assert Face.unscoped.count() == 0
    with rls.one_tenant(acme.tenant):
        assert said() == str(acme.tenant.pk)


@needs_rls
def test_a_request_whose_code_forgot_every_where_answers_with_its_own_rows(
    both: tuple[Customer, Customer], argos: ArgosClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `of(tenant)` made to say nothing, both tenants' collections are called people, and each lists its own."""
    acme, globex = both
    monkeypatch.setattr(TenantManager, "of", lambda self, _: models.QuerySet(self.model))
    for customer in (acme, globex):
        listed = ArgosClient(customer.issued.token)("GET", "/faces", collectionId="people", page="1").json()
        with rls.one_tenant(customer.tenant):
            assert [face["face_id"] for face in listed["result"]] == [Face.unscoped.get().uuid]
    assert argos("GET", "/faces", collectionId="people", page="1").json()["totalCount"] == 1


@needs_rls
def test_what_a_request_said_ends_with_it(acme: Customer, argos: ArgosClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an answer, a refusal and an error the session says what it said before: in a web server, nobody."""
    heard: list[str] = []
    real = rls.set_tenant

    def set_tenant(tenant: Any) -> None:
        real(tenant)
        heard.append(said())

    monkeypatch.setattr(rls, "set_tenant", set_tenant)
    for outside in (rls.EVERYBODY, rls.NOBODY):
        monkeypatch.setattr(rls, "_default", outside)
        with rls.reach(outside):  # a process says it when it starts
            assert argos("GET", "/faces", collectionId="people", page="1").status_code == 200
            assert said() == outside
            assert argos("GET", "/faces", collectionId="nowhere", page="1").status_code == 400
            assert said() == outside
            assert ArgosClient("fp_x.y")("GET", "/faces", collectionId="people", page="1").status_code == 403
            assert said() == outside
    assert heard == [str(acme.tenant.pk)] * 4


@needs_rls
@pytest.mark.django_db(transaction=True)
def test_a_connection_made_in_the_middle_of_a_request_says_the_same(transactional_db: None) -> None:
    tenant = 7
    with rls.reach(str(tenant)):
        assert said() == "7"
        connection.close()
        assert said() == "7"
        with transaction.atomic(), rls.all_tenants():
            assert said() == "0"
            transaction.set_rollback(True)
        assert said() == "7"
        with pytest.raises(ProgrammingError), transaction.atomic(), rls.all_tenants(), connection.cursor() as cursor:
            cursor.execute("SELECT nonsense")
        assert said() == "7"
    assert said() == "0"


@needs_rls
def test_an_answer_that_is_streamed_keeps_its_reach_to_its_end(
    acme: Customer, settings: Settings, tmp_path: Path
) -> None:
    """As a server does it: the rows are read when the request's handler is long through."""
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": files}
    facedb = FacedbClient(acme.issued.key.pk, acme.issued.secret, acme.people.alias)
    assert facedb("register-facedb", details("obama"))["code"] == 0
    answer = facedb.raw("POST", "/v2/va/list-facedb", json.dumps({"nodeId": facedb.node}).encode())
    with rls.reach(rls.NOBODY):
        assert b"apple" in b"".join(answer.streaming_content)
        assert said() == rls.NOBODY


@needs_rls
def test_the_operator_sees_everybody_in_the_admin(both: tuple[Customer, Customer]) -> None:
    operator = User.objects.create_superuser("operator")
    client = Client()
    client.force_login(operator)
    shown = client.get("/admin/tenants/apikey/").content.decode()
    assert all(customer.issued.key.pk in shown for customer in both)


@needs_postgres
def test_the_web_server_needs_no_table_of_its_own(tmp_path: Path) -> None:
    """As a role without ownership it enrols, finds and erases; the worker's role erases for good; strangers see 0."""
    with database() as guest, database() as name:  # the guest is granted rights there, so it goes last
        urls = [f"postgresql://{role}@127.0.0.1:{POSTGRES_PORT}/{name}" for role in (name, guest)]
        env = environment(tmp_path, DATABASE_URL=urls[0])
        keys = prepare(env, acme="people", globex="people")
        with psycopg.connect(f"{SUPERUSER}/{name}", autocommit=True) as inside:
            granted = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
            inside.execute(f"GRANT {granted} TO {guest}".encode())
        _serve(env | {"DATABASE_URL": urls[1]}, keys)
        _sql_sees_nothing(urls[1])
        _erase_for_good(env, urls[1])


def _serve(env: dict[str, str], keys: dict[str, str]) -> None:
    with web_server(env, workers=1) as (address, _):
        faces = {}
        for tenant, key in keys.items():
            body = {"collectionId": "people", "userName": "x", "faceImage": base64_of(portrait("obama"))}
            status, answer = call(f"{address}/faces", "POST", body, **{"x-api-key": key})
            assert status == 200, answer
            faces[tenant] = answer["faceId"]
        probe = {"collectionId": "people", "requestName": "x", "faceImage": base64_of(portrait("obama"))}
        for tenant, key in keys.items():
            assert call(f"{address}/search", "POST", probe, **{"x-api-key": key})[1]["faceIdList"] == [faces[tenant]]
        face = f"{address}/faces?collectionId=people&faceId={faces['acme']}"
        assert call(face, "DELETE", **{"x-api-key": keys["acme"]})[0] == 200


def _erase_for_good(env: dict[str, str], url: str) -> None:
    """Who owns nothing cannot vacuum, and does not say that it did."""
    purge = "from collections_app.tasks import purge_due; purge_due.run()"
    count = (
        "from collections_app.models import Receipt as R; print('open', R.unscoped.filter(completed_at=None).count())"
    )
    manage(env | {"DATABASE_URL": url}, "shell", "-c", purge)
    assert "open 1" in manage(env, "shell", "-c", count)
    manage(env, "shell", "-c", purge)
    assert "open 0" in manage(env, "shell", "-c", count)


def _sql_sees_nothing(url: str) -> None:
    with psycopg.connect(url) as session:
        for model in OWNED:
            assert session.execute(f"TABLE {model._meta.db_table}".encode()).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("ALTER TABLE collections_app_face DISABLE ROW LEVEL SECURITY")
