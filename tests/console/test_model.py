"""The change of a collection's model in the console."""

import pytest

from collections_app.jobs import engine
from collections_app.models import BulkJob, Collection, ModelChange
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in

pytestmark = pytest.mark.django_db


def test_a_member_prepares_compares_switches_rolls_back_and_ends(acme: Customer, crowd: Collection) -> None:
    owner = signed_in(member(acme, "owner"))
    address, step = page_url("model", alias=crowd.alias), page_url("model_step", alias=crowd.alias)
    assert address.encode() in owner.get(page_url("collection", alias=crowd.alias)).content
    empty = owner.get(address)
    assert b'value="accurate"' in empty.content
    assert b'value="light"' not in empty.content
    assert owner.post(address, {"pack": "accurate", "retention_days": 400}).status_code == 400
    assert owner.post(address, {"pack": "accurate", "retention_days": 2}).status_code == 303
    under_way = owner.get(address).content
    assert b'value="switch"' not in under_way
    assert owner.post(step, {"step": "switch"}).status_code == 400
    job = BulkJob.objects.of(acme.tenant).select_related("tenant", "collection__gallery").get()
    assert f"reembed-{job.pk}".encode() in under_way
    engine.work(job, 60)
    page = owner.get(address)
    assert [side["pack"] for side in page.context["sides"]] == ["light", "accurate"]
    assert page.content.count(b'class="fp-genuine"') == 2
    assert page.context["found"].filled == 5
    owner.post(step, {"step": "switch"})
    crowd.refresh_from_db()
    assert crowd.pack == "accurate"
    assert b'value="roll_back"' in owner.get(address).content
    owner.post(step, {"step": "roll_back"})
    crowd.refresh_from_db()
    assert crowd.pack == "light"
    owner.post(step, {"step": "end"})
    change = ModelChange.objects.of(acme.tenant).get()
    assert change.state == "ended"
    assert page_url("receipt", receipt=change.receipt).encode() in owner.get(address).content


def test_it_takes_an_administrator(acme: Customer, crowd: Collection) -> None:
    operator = signed_in(member(acme, "operator"))
    assert operator.get(page_url("model", alias=crowd.alias)).status_code == 403
    assert operator.post(page_url("model_step", alias=crowd.alias), {"step": "end"}).status_code == 403
