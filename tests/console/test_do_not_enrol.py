"""The do-not-enrol list of a collection, in the console."""

from django.urls import reverse

from tests.conftest import Customer
from tests.console.conftest import member, signed_in


def test_the_console_keeps_the_list(acme: Customer) -> None:
    page = reverse("console:do_not_enrol", kwargs={"tenant": "acme", "alias": acme.people.alias})
    admin = signed_in(member(acme, "admin"))
    answer = admin.post(page, {"reference": "EMP/1", "change": "add"})
    assert answer.status_code == 303
    assert "EMP/1" in admin.get(page).content.decode()
    assert admin.post(page, {"reference": "EMP/2", "change": "remove"}).status_code == 404
    assert admin.post(page, {"reference": "EMP/1", "change": "remove"}).status_code == 303
    assert "EMP/1" not in admin.get(page).content.decode()
