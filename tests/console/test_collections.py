"""A collection: its policy, name, retention and deletion."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from collections_app.models import Collection
from collections_app.operations.collections import create_collection, update_collection
from collections_app.tasks import expire_faces
from tenants.models import AuditEntry
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in


def test_a_new_collection_keeps_no_images_unless_asked_to(acme: Customer) -> None:
    form = signed_in(member(acme, "admin")).get(page_url("collection_new")).context["form"]
    assert form["images"].value() == "none"


def test_a_policy_out_of_bounds_is_shown_by_its_form_and_not_saved(acme: Customer, crowd: Collection) -> None:
    admin = signed_in(member(acme, "admin"))
    answer = admin.post(page_url("collection", alias=crowd.alias), {"similarity_threshold": "7"})
    assert answer.status_code == 400
    crowd.refresh_from_db()
    assert crowd.similarity_threshold < 1


def test_a_collection_is_renamed_unless_the_name_is_taken(acme: Customer, crowd: Collection) -> None:
    admin, page = signed_in(member(acme, "admin")), page_url("collection", alias=crowd.alias)
    policy = {name: value for name, value in admin.get(page).context["form"].initial.items() if value}
    create_collection(acme.caller, name="taken")
    assert admin.post(page, policy | {"name": "taken"}).status_code == 409
    assert admin.post(page, policy | {"name": "lobby"}).status_code == 303
    crowd.refresh_from_db()
    assert crowd.name == "lobby"
    (entry,) = AuditEntry.objects.of(acme.tenant).filter(action__startswith="collection.", target_id=str(crowd.pk))[1:]
    assert (entry.action, entry.facts) == ("collection.renamed", {"before": "people", "after": "lobby"})


def test_faces_are_kept_for_a_hundred_years_or_for_good(acme: Customer, crowd: Collection) -> None:
    """The form, the native API and the model agree; more days than there are dates would stop the worker."""
    admin, page = signed_in(member(acme, "admin")), page_url("collection", alias=crowd.alias)
    policy = {name: value for name, value in admin.get(page).context["form"].initial.items() if value}
    key = {"x-api-key": acme.issued.token}
    for days, shown, native_status in ((36_500, 303, 200), (36_501, 400, 422), (10**9, 400, 422)):
        answer = admin.post(page, policy | {"retention_days": days})
        assert answer.status_code == shown
        body = {"retention_days": days}
        native = Client().patch("/api/v1/collections/people", body, "application/json", headers=key)
        assert native.status_code == native_status
        if shown == 400:
            assert list(answer.context["form"].errors) == list(native.json()["errors"]) == ["retention_days"]
            with pytest.raises(ValidationError, match="retention_days"):
                update_collection(acme.caller, collection="people", retention_days=days)
    crowd.refresh_from_db()
    assert crowd.retention_days == 36_500
    expire_faces.run()
    assert crowd.faces.exists()


def test_a_collection_is_deleted_only_under_its_typed_name(acme: Customer, crowd: Collection) -> None:
    admin, page = signed_in(member(acme, "admin")), page_url("collection_delete", alias=crowd.alias)
    assert admin.post(page, {"typed": "peopel"}).status_code == 400
    assert admin.post(page, {"typed": "people"}).status_code == 303
    crowd.refresh_from_db()
    assert crowd.state == "deleted"
    assert admin.get(page_url("collection", alias=crowd.alias)).status_code == 404
