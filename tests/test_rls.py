"""Check 5, on PostgreSQL: row-level security holds where a WHERE is missing (tenants.rls).

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


def setting() -> str:
    """Return the session's setting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('faceplane.tenant', true)")
        return str(cursor.fetchone()[0] or "")


def owners(model: type[TenantOwned]) -> set[int]:
    """Return the tenants whose rows a query without a WHERE returns."""
    return set(model.unscoped.order_by().values_list("tenant_id", flat=True))


@needs_rls
@pytest.mark.django_db
def test_every_tenant_owned_table_has_the_policy_and_it_binds_this_role() -> None:
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
    """NOBODY: 0 rows of every table. One tenant: its rows only. EVERYBODY: what workers and commands see."""
    ids = {customer.tenant.pk for customer in both}
    seen = 0
    for model in OWNED:
        seen += owners(model) == ids
        with rls.reach(rls.NOBODY):  # as in a web process outside of requests
            assert owners(model) == set()
        for customer in both:
            with rls.one_tenant(customer.tenant):
                assert owners(model) <= {customer.tenant.pk}
                with rls.all_tenants():
                    assert owners(model) >= (ids if model is Face else set())
                assert setting() == str(customer.tenant.pk)
    assert (
        seen >= 8
    )  # templates, faces, people, collections, galleries, keys, data keys, audit: the test had rows to read


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
def test_a_connection_that_fails_while_being_set_keeps_no_setting(
    acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a worker would reach one tenant only, on every later connection."""

    def dead(database: object) -> None:
        raise OperationalError

    with monkeypatch.context() as broken, pytest.raises(OperationalError):  # noqa: PT012
        broken.setattr(rls, "_send", dead)
        with rls.one_tenant(acme.tenant):
            pass
    assert setting() == rls.EVERYBODY
    assert Face.unscoped.count() == 0
    with rls.one_tenant(acme.tenant):
        assert setting() == str(acme.tenant.pk)


@needs_rls
def test_a_request_without_any_where_answers_with_its_own_rows(
    both: tuple[Customer, Customer], argos: ArgosClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `of(tenant)` made to filter nothing, each tenant lists its own faces of the collection people."""
    acme, globex = both
    monkeypatch.setattr(TenantManager, "of", lambda self, _: models.QuerySet(self.model))
    for customer in (acme, globex):
        listed = ArgosClient(customer.issued.token)("GET", "/faces", collectionId="people", page="1").json()
        with rls.one_tenant(customer.tenant):
            assert [face["face_id"] for face in listed["result"]] == [Face.unscoped.get().uuid]
    assert argos("GET", "/faces", collectionId="people", page="1").json()["totalCount"] == 1


@needs_rls
def test_a_request_s_setting_ends_with_it(acme: Customer, argos: ArgosClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an answer, a refusal and an error the session has its former setting: in a web server, NOBODY."""
    settings_seen: list[str] = []
    real = rls.set_tenant

    def set_tenant(tenant: Any) -> None:
        real(tenant)
        settings_seen.append(setting())

    monkeypatch.setattr(rls, "set_tenant", set_tenant)
    for outside in (rls.EVERYBODY, rls.NOBODY):
        monkeypatch.setattr(rls, "_default", outside)
        with rls.reach(outside):  # a process sets it when it starts
            assert argos("GET", "/faces", collectionId="people", page="1").status_code == 200
            assert setting() == outside
            assert argos("GET", "/faces", collectionId="nowhere", page="1").status_code == 400
            assert setting() == outside
            assert ArgosClient("fp_x.y")("GET", "/faces", collectionId="people", page="1").status_code == 403
            assert setting() == outside
    assert settings_seen == [str(acme.tenant.pk)] * 4


@needs_rls
@pytest.mark.django_db(transaction=True)
def test_a_new_connection_within_a_request_gets_the_setting(transactional_db: None) -> None:
    tenant = 7
    with rls.reach(str(tenant)):
        assert setting() == "7"
        connection.close()
        assert setting() == "7"
        with transaction.atomic(), rls.all_tenants():
            assert setting() == "0"
            transaction.set_rollback(True)
        assert setting() == "7"
        with pytest.raises(ProgrammingError), transaction.atomic(), rls.all_tenants(), connection.cursor() as cursor:
            cursor.execute("SELECT nonsense")
        assert setting() == "7"
    assert setting() == "0"


@needs_rls
def test_an_answer_that_is_streamed_keeps_its_reach_to_its_end(
    acme: Customer, settings: Settings, tmp_path: Path
) -> None:
    """As in a server: the rows are read after the request's handler has returned."""
    files = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": files}
    facedb = FacedbClient(acme.issued.key.pk, acme.issued.secret, acme.people.alias)
    assert facedb("register-facedb", details("obama"))["code"] == 0
    answer = facedb.raw("POST", "/v2/va/list-facedb", json.dumps({"nodeId": facedb.node}).encode())
    with rls.reach(rls.NOBODY):
        assert b"apple" in b"".join(answer.streaming_content)
        assert setting() == rls.NOBODY


@needs_rls
def test_the_operator_sees_all_tenants_in_the_admin(both: tuple[Customer, Customer]) -> None:
    operator = User.objects.create_superuser("operator")
    client = Client()
    client.force_login(operator)
    shown = client.get("/admin/tenants/apikey/").content.decode()
    assert all(customer.issued.key.pk in shown for customer in both)


@needs_postgres
def test_the_web_server_needs_no_table_of_its_own(tmp_path: Path) -> None:
    """As a role without ownership it enrols, finds and erases; the worker's role purges; plain SQL sees 0 rows."""
    with database() as guest, database() as name:  # the guest has rights in it, so it is dropped last
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
    """A role without ownership cannot vacuum, and does not complete the receipt."""
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
