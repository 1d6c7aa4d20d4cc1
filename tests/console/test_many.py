"""A tenant with many collections and keys: lists come in pages."""

import re

from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collections_app.models import Collection
from recognition.models import Gallery
from tenants import keys
from tenants.models import ApiKey
from tests.conftest import Customer
from tests.console.conftest import member, signed_in

MANY = 1_000
LONGEST = 200_000  # bytes of a page; with 5,000 collections on one page it was 4.1 MB


def fill(acme: Customer, count: int = MANY) -> list[str]:
    """Create collections; return their names in order."""
    first = acme.people
    made = [
        Collection(
            tenant=acme.tenant, name=f"c{number:05}", pack=first.pack, similarity_threshold=first.similarity_threshold
        )
        for number in range(count)
    ]
    Collection.unscoped.bulk_create(made)
    Gallery.unscoped.bulk_create([Gallery(id=one.pk, collection_id=one.pk, tenant=acme.tenant) for one in made])
    Collection.unscoped.filter(gallery=None).update(gallery_id=F("pk"))
    return [one.name for one in made]


def page(client: Client, name: str, **query: str) -> tuple[str, int]:
    """Return a page and how many queries it took."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(reverse(f"console:{name}", kwargs={"tenant": "acme"}), query)
    assert answer.status_code == 200
    return answer.content.decode(), len(captured)


def test_collections_come_in_pages(acme: Customer) -> None:
    names, client = [*fill(acme), acme.people.name], signed_in(member(acme, "owner"))
    page(client, "collections")
    seen: list[str] = []
    after = ""
    for _ in range(3):
        text, queries = page(client, "collections", after=after)
        assert len(text) < LONGEST
        assert queries < 20
        shown = re.findall(r'<h2 class="fp-wrap">(\w+)</h2>', text)
        seen += shown
        after = shown[-1]
        assert f'hx-get="?after={after}"' in text
    assert seen == names[: len(seen)]
    last, _ = page(client, "collections", after=names[-20])
    assert re.findall(r'<h2 class="fp-wrap">(\w+)</h2>', last) == names[-19:]
    assert 'hx-get="?after=' not in last


def test_keys_come_in_pages_and_many_collections_are_typed(acme: Customer) -> None:
    names, client = fill(acme), signed_in(member(acme, "owner"))
    reached = list(Collection.objects.of(acme.tenant).order_by("name").values_list("pk", flat=True)[:MANY])
    for number in range(120):
        keys.issue(acme.tenant, name=f"key{number:03}", scopes=["read"], collections=reached if number == 119 else None)
    page(client, "keys")
    text, queries = page(client, "keys")
    assert len(text) < LONGEST
    assert queries < 20
    assert f"+{MANY - 20:,}" in text
    seen: list[str] = []
    while True:
        shown = re.findall(r'<h2 class="fp-wrap">(\w+)</h2>', text)
        seen += shown
        following = re.search(r'href="[^"]*\?after=(fp_\w+)">More<', text)
        if not following:
            break
        text, _ = page(client, "keys", after=following[1])
    assert seen == [*(f"key{number:03}" for number in reversed(range(120))), acme.issued.key.name]
    form = {"name": "typed", "scopes": ["read"], "collections": f"{names[7]}\n{names[321]}\n"}
    assert client.post(reverse("console:keys", kwargs={"tenant": "acme"}), form).status_code in {200, 302, 303}
    key = ApiKey.objects.of(acme.tenant).get(name="typed")
    assert sorted(Collection.objects.of(acme.tenant).filter(pk__in=key.collections).values_list("name", flat=True)) == [
        names[7],
        names[321],
    ]
