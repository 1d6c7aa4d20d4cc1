"""A data subject's request over all collections: a document to read, an erasure, a receipt to be verified elsewhere."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from collections_app.errors import PersonNotFound
from collections_app.models import Collection, Person, Receipt
from collections_app.operations import data_subject, subject_requests
from collections_app.operations.collections import create_collection
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_image
from collections_app.tasks import finish_erasure
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in, violations
from tests.make import portrait

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


@pytest.fixture
def everywhere(acme: Customer, crowd: Collection) -> list[int]:
    """Sunak under one reference in two collections, and a namesake in the second."""
    create_collection(acme.caller, name="Gate")
    for image, reference in (("sunak", "sunak"), ("obama", "another")):
        details = data_subject.PersonDetails(reference=reference, name="Rishi Sunak")
        enrol_face(acme.caller, collection="Gate", image=portrait(image), person=details)
    Person.objects.of(acme.tenant).filter(collection=crowd, reference="Sunak").update(note="<b>left early</b>")
    search_by_image(acme.caller, collection="people", image=portrait("sunak"))
    return list(Person.objects.of(acme.tenant).filter(name="Rishi Sunak").values_list("pk", flat=True))


def test_a_person_is_found_in_all_collections_by_reference_and_namesakes_by_name(
    acme: Customer, globex: Customer, everywhere: list[int]
) -> None:
    found = subject_requests.find_subject(acme.caller, wanted="Sunak")
    assert [(one.person.reference, one.same) for one in found] == [("Sunak", True)]
    found = subject_requests.find_subject(acme.caller, wanted="rishi sunak")
    assert {one.person.pk for one in found} == set(everywhere)
    assert not any(one.same for one in found)
    assert subject_requests.find_subject(globex.caller, wanted="rishi sunak") == ()
    with pytest.raises(PersonNotFound):
        subject_requests.delete_subject(globex.caller, people=everywhere)
    assert Person.objects.of(acme.tenant).filter(pk__in=everywhere).count() == 3


def test_the_document_has_everything_and_nothing_of_others(acme: Customer, everywhere: list[int]) -> None:
    client = signed_in(member(acme, "owner"))
    chosen = [one.person.pk for one in subject_requests.find_subject(acme.caller, wanted="Sunak")]
    answer = client.post(page_url("subject_document"), {"people": chosen})
    text = answer.getvalue().decode()
    assert answer["Content-Disposition"].endswith('.html"')
    assert "&lt;b&gt;left early&lt;/b&gt;" in text
    assert "data:image/jpeg;base64," in text
    assert "found you" in text
    for one in Person.objects.of(acme.tenant).exclude(pk__in=chosen):
        assert all(uuid not in text for uuid in one.faces.values_list("uuid", flat=True))
    assert "Macron" not in text
    korean = client.post(page_url("subject_document"), {"people": chosen}, headers={"Accept-Language": "ko"})
    assert "귀하에 대해 저장된 정보" in korean.getvalue().decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_request_takes_five_clicks_and_its_receipt_is_verified_by_an_outsider(
    acme: Customer, crowd: Collection, everywhere: list[int], visit: Visit, tmp_path: Path
) -> None:
    sunak = crowd.people.get(reference="Sunak")
    page = visit(member(acme, "owner"), page_url("person", alias=crowd.alias, person=sunak.pk))
    page.get_by_role("link", name="Open the request").click()
    assert violations(page) == []
    with page.expect_download():
        page.get_by_role("button", name="Download the document").click()
    page.get_by_role("button", name="Erase the selected people").click()
    page.get_by_role("dialog").locator("[value=confirmed]").click()
    expect(page.get_by_role("heading", name="Receipt of erasure")).to_be_visible()
    receipt = Receipt.objects.of(acme.tenant).get()
    finish_erasure.run(receipt.pk)
    page.reload()
    page.get_by_text("How somebody without access").click()
    assert violations(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Signed document").click()
    download.value.save_as(tmp_path / "receipt.json")
    (tmp_path / "key.pem").write_text(page.locator("#public-key").inner_text())
    commands = [page.locator(f"#{name}").inner_text() for name in ("split", "verify")]
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)  # noqa: S602, PLW1510 -- as it is shown
    assert "Signature Verified Successfully" in done.stdout
    document: dict[str, Any] = json.loads((tmp_path / "receipt.json").read_text())
    (tmp_path / "receipt.json").write_text(json.dumps({**document, "tenant": "another"}))
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)  # noqa: S602, PLW1510
    assert done.returncode != 0
    assert not crowd.people.filter(pk=sunak.pk).exists()
