"""A photo is added to a known person: one of several faces by its box, with a warning if it looks like another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from playwright.sync_api import Page, expect

from collections_app.models import Collection, Face, SearchRecord
from collections_app.operations.collections import update_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.samples import SAMPLES
from recognition.errors import NoFace
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in, violations
from tests.console.walk import Hand, Walk, by_each_hand
from tests.make import blank, portrait, side_by_side

pytestmark = pytest.mark.django_db

Visit = Callable[..., Page]


def test_of_several_faces_the_one_at_a_place_is_enrolled(acme: Customer) -> None:
    picture = side_by_side("obama", "macron_2014")
    with pytest.raises(NoFace):
        enrol_face(acme.caller, collection="people", image=blank(), person=PersonDetails(), at=(1.0, 1.0))
    left, right = (
        enrol_face(acme.caller, collection="people", image=picture, person=PersonDetails(), at=place).faces[0]
        for place in ((0.0, 240.0), (10_000.0, 240.0))
    )
    assert left.box_x + left.box_width < right.box_x
    assert Face.objects.of(acme.tenant).count() == 2


def _sent(acme: Customer, crowd: Collection, picture: bytes, role: str = "operator", **form: str) -> str:
    """Send a photo of Sunak, as htmx does; return what is answered."""
    sunak = crowd.people.get(reference="Sunak")
    client = signed_in(member(acme, role))
    image = SimpleUploadedFile("photo.jpg", picture, "image/jpeg")
    address = page_url("person_add", alias=crowd.alias, person=sunak.pk)
    answer = client.post(address, {"image": image, **form}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.headers.get("HX-Redirect", "") + answer.content.decode()


def test_nothing_is_stored_before_the_member_is_sure(acme: Customer, crowd: Collection) -> None:
    before = crowd.faces.count()
    assert "It matches Rishi Sunak." in _sent(acme, crowd, portrait("sunak"))
    assert "There is no face" in _sent(acme, crowd, blank(), "admin")
    assert "not a place" in _sent(acme, crowd, portrait("sunak"), "owner", at="here")
    assert crowd.faces.count() == before
    assert SearchRecord.objects.of(acme.tenant).count() == 1


def test_another_persons_face_is_warned_of_and_added_only_on_request(acme: Customer, crowd: Collection) -> None:
    told = _sent(acme, crowd, portrait("macron_2014"))
    assert "This face looks like Emmanuel Macron." in told
    assert "It does not match the faces of Rishi Sunak that are enrolled." in told
    sunak = crowd.people.get(reference="Sunak")
    assert sunak.faces.count() == 1
    assert page_url("person", alias=crowd.alias, person=sunak.pk) in _sent(
        acme, crowd, portrait("macron_2014"), "owner", sure="1"
    )
    assert sunak.faces.count() == 2
    update_collection(acme.caller, collection="people", duplicates="refuse")
    assert "already enrolled under another person" in _sent(acme, crowd, portrait("obama"), "admin", sure="1")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@by_each_hand
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Add a photo", "Add the photo", "looks like B")),
        ("ko", ("사진 추가", "사진 추가", "Obama 님과 닮은")),
    ],
)
def test_a_photo_takes_three_clicks(  # noqa: PLR0917 -- the parameters of the view
    acme: Customer, crowd: Collection, visit: Visit, tmp_path: Path, hand: Hand, language: str, words: tuple[str, ...]
) -> None:
    add, sure, looks = words
    macron = crowd.people.get(reference="Macron")
    here = page_url("person", alias=crowd.alias, person=macron.pk)
    (tmp_path / "two.png").write_bytes(side_by_side("obama", "macron_2014"))
    page = visit(member(acme, "operator"), here, locale=language)

    def begun(file: Path) -> Walk:
        page.goto(here)
        walk = Walk(page, hand)
        walk.press(page.get_by_role("link", name=add))
        walk.give(page.locator("#id_image"), [file])
        return walk

    walk = begun(SAMPLES / "macron_2025.jpg")
    expect(page.locator("#result [name=sure]")).to_have_text(sure)
    assert violations(page) == []
    walk.press(page.locator("#result [name=sure]"))
    page.wait_for_url(f"**{here}")
    assert (walk.clicks, macron.faces.count()) == (3, 3)

    walk = begun(tmp_path / "two.png")
    boxes = page.locator("[data-at]")
    expect(boxes).to_have_count(2)
    assert violations(page) == []
    places = {float((box.get_attribute("data-at") or "").partition(",")[0]): box for box in boxes.all()}
    walk.press(places[max(places)])
    page.wait_for_url(f"**{here}")
    assert (walk.clicks, macron.faces.count()) == (3, 4)

    walk = begun(tmp_path / "two.png")
    expect(boxes).to_have_count(2)
    walk.press(places[min(places)])
    expect(page.get_by_role("alert").filter(has_text=looks)).to_be_visible()
    assert violations(page) == []
    assert macron.faces.count() == 4
