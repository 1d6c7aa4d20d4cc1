"""The change of a collection's model over the native API."""

import pytest

from collections_app.jobs import engine
from collections_app.models import BulkJob
from collections_app.operations.collections import update_collection
from tenants import keys
from tenants.access import ALL_SCOPES
from tests.collections_app.erasures import stored
from tests.conftest import Customer
from tests.dialects.clients import NativeClient
from tests.dialects.test_native import problem
from tests.make import base64_of, portrait

__all__ = ["stored"]


@pytest.mark.usefixtures("stored")
def test_a_model_changes_by_five_requests(native: NativeClient, acme: Customer) -> None:
    update_collection(acme.caller, collection="people", images="crop")
    for name in ("obama", "sunak"):
        assert native.enrol(name, person={"reference": name}).status_code == 201
    update_collection(acme.caller, collection="people", images="none")
    assert native.enrol("ardern_2018", person={"reference": "gone home"}).status_code == 201
    lab = NativeClient(keys.issue(acme.tenant, name="lab", scopes=list(ALL_SCOPES)).token)
    path = "/collections/people/model"
    problem(native("POST", path, {"pack": "accurate"}), 403, "not_allowed")
    problem(lab("GET", path), 404, "job_not_found")
    problem(lab("POST", path, {"pack": "heavy"}), 422, "unknown_pack")
    problem(lab("POST", path, {"pack": "light"}), 422, "invalid_request")
    begun = lab("POST", path, {"pack": "accurate", "false_match_rate": 0.01})
    assert begun.status_code == 202
    assert begun.headers["Location"].endswith(begun.json()["job"]["id"])
    engine.work(BulkJob.objects.of(acme.tenant).select_related("tenant", "collection__gallery").get(), 60)
    told = lab("GET", path).json()
    assert (told["state"], told["filled"], told["lacking_people"]) == ("ready", 2, 1)
    assert told["comparison"]["old"]["pack"] == "light"
    assert told["comparison"]["new"]["threshold"] == pytest.approx(told["comparison"]["old"]["threshold"])
    assert len(told["comparison"]["new"]["genuine"]) == 280
    people = lab("GET", f"{path}/missing").json()["people"]
    assert [(one["reference"], one["faces"]) for one in people] == [("gone home", 1)]
    refused = problem(lab("PATCH", path, {"do": "switch"}), 422, "invalid_request")
    assert "leave_out" in refused["errors"]
    switched = lab("PATCH", path, {"do": "switch", "leave_out": True}).json()
    assert (switched["pack"], switched["state"]) == ("accurate", "switched")
    found = native("POST", "/collections/people/search", {"image": base64_of(portrait("obama"))})
    assert found.json()["matches"][0]["face"]["person"]["reference"] == "obama"
    assert native("GET", "/collections/people").json()["pack"] == "accurate"
    ended = lab("DELETE", path).json()
    assert ended["state"] == "ended"
    assert native("GET", f"/receipts/{ended['receipt']}").json()["kind"] == "templates"
