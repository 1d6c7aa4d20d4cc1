"""What holds beneath every dialect: old thresholds are raised, and no key without the scope looks below the floor."""

import io

import pytest
from django.core.management import call_command

from collections_app.models import Collection
from collections_app.operations.disclosure import Disclosure, disclosure
from recognition import packs
from recognition.similarity import Threshold
from tenants.access import USUAL_SCOPES, Scope
from tenants.models import ApiKey
from tests.conftest import Customer


@pytest.mark.parametrize("pack", packs.names())
def test_whatever_is_stored_seventy_is_the_least(acme: Customer, pack: str) -> None:
    Collection.objects.of(acme.tenant).update(similarity_threshold=-1.0, pack=pack)
    acme.people.refresh_from_db()
    assert disclosure(acme.caller, acme.people).applied.score == pytest.approx(70)


def test_a_key_of_the_command_line_reads_searches_enrols_and_deletes(acme: Customer) -> None:
    call_command("issue_key", "acme", "--name", "gate", stdout=io.StringIO())
    scopes = set(ApiKey.objects.of(acme.tenant).get(name="gate").scopes)
    assert scopes == USUAL_SCOPES == {"read", "search", "enrol", "delete"}
    assert Scope.SCORES not in scopes


@pytest.mark.parametrize("score", [85, 85.3, 99.99])
def test_a_match_is_never_told_below_the_threshold(score: float) -> None:
    scale = packs.get(packs.DEFAULT).similarity
    least = Threshold(score).on(scale)
    terms = Disclosure(scale, least, least)
    disclosed = terms.score(least)
    assert disclosed is not None
    assert disclosed >= terms.applied.score
    assert terms.score(least - 1e-6) is None
