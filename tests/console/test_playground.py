"""The playground shows the dialects' own answers, and its snippets work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from collections_app import dialects
from collections_app.models import Collection, Face
from recognition.images import DEFAULT_LIMITS
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.dialects.examples import EXAMPLES
from tests.make import portrait

pytestmark = pytest.mark.django_db(transaction=True)

DIALECTS = {
    action: [examples.label for examples in EXAMPLES.values() if action in examples.actions]
    for action in ("detect", "compare", "search", "enrol")
}
# Fields that differ in every answer: ids of requests, searches, faces and images, and times.
OWN = {name for examples in EXAMPLES.values() for name in (examples.request_id, *examples.own)}


def _tried(client: Client, action: str, tmp_path: Path) -> Any:
    form = {"collection": "people", "name": "Barack Obama"} if action in {"search", "enrol"} else {}
    with (tmp_path / "face.jpg").open("rb") as face, (tmp_path / "other.jpg").open("rb") as other:
        second = {"second": other} if action == "compare" else {}
        return client.post(f"/console/acme/playground/{action}/", {"image": face, **second, **form}).context["answers"]


def _shape(value: Any) -> Any:
    """Return an answer without the fields that always differ."""
    if isinstance(value, dict):
        return {name: "own" if name in OWN else _shape(inner) for name, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("action", DIALECTS)
def test_each_snippet_gets_the_answer_that_stands_beside_it(
    acme: Customer, crowd: Collection, live_server: Any, tmp_path: Path, action: str
) -> None:
    """Curl and Python snippets run unchanged against a server, with the key in the environment."""
    Collection.objects.of(acme.tenant).update(similarity_threshold=0.45)
    (tmp_path / "face.jpg").write_bytes(portrait("obama"))
    (tmp_path / "other.jpg").write_bytes(portrait("macron_2014"))
    client = signed_in(member(acme, "owner"))
    answers = _tried(client, action, tmp_path)
    assert [answer.dialect for answer in answers] == DIALECTS[action]
    if action == "enrol":
        Face.objects.of(acme.tenant).filter(person__reference="twin").delete()
    for answer in answers:
        key = acme.key(next(dialect for dialect in dialects.DIALECTS if dialect.label == answer.dialect))
        env = os.environ | {
            "FACEPLANE_KEY": key.token,
            "FACEPLANE_KEY_ID": key.key.pk,
            "FACEPLANE_SECRET": key.secret,
        }
        here = answer.request.curl.replace("http://testserver", live_server.url)
        python = answer.request.python.replace("http://testserver", live_server.url)
        python = python.replace("print(answer.json())", "import json\nprint(json.dumps(answer.json()))")
        for command in (["bash", "-c", here], [sys.executable, "-c", python]):
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=True)
            assert _shape(json.loads(done.stdout)) == _shape(json.loads(answer.body)), (answer.dialect, command[0])


def test_nobody_known_is_an_answer_in_every_dialect(acme: Customer, crowd: Collection, tmp_path: Path) -> None:
    Collection.objects.of(acme.tenant).update(similarity_threshold=0.99)
    for name in ("face", "other"):
        (tmp_path / f"{name}.jpg").write_bytes(portrait("ardern_2018"))
    answers = _tried(signed_in(member(acme, "operator")), "search", tmp_path)
    bodies = {answer.dialect: json.loads(answer.body) for answer in answers}
    for examples in EXAMPLES.values():
        assert examples.nobody(bodies[examples.label]), examples.label


def test_an_image_may_be_as_large_as_in_the_api(acme: Customer, tmp_path: Path) -> None:
    client = signed_in(member(acme, "operator"))
    (tmp_path / "face.jpg").write_bytes(portrait("obama"))
    for padding, refusal in ((DEFAULT_LIMITS.max_bytes, b"The image is too large."), (1, b"")):
        with (tmp_path / "face.jpg").open("ab") as image:
            image.truncate(padding + len(portrait("obama")))
        with (tmp_path / "face.jpg").open("rb") as image:
            answer = client.post("/console/acme/playground/detect/", {"image": image})
        assert refusal in answer.content
        assert ("answers" in answer.context) == (not refusal)


def test_a_collection_that_asks_for_consent_gets_it_from_the_playground(acme: Customer, tmp_path: Path) -> None:
    Collection.objects.of(acme.tenant).update(consent_required=True)
    client = signed_in(member(acme, "operator"))
    (tmp_path / "face.jpg").write_bytes(portrait("obama"))

    def enrol(consent: str) -> Any:
        with (tmp_path / "face.jpg").open("rb") as image:
            body = {"image": image, "collection": "people", "name": "Barack Obama", "consent": consent}
            return client.post("/console/acme/playground/enrol/", body)

    assert b"This collection requires a consent reference" in enrol("").content
    enrolled = enrol("form 7").context["result"].faces[0]
    page = client.get(f"/console/acme/collections/{acme.people.alias}/faces/{enrolled.uuid}/")
    assert "form 7" in page.content.decode()
