"""CompreFace beside our own API: what its recorded cases do not show."""

import json
from typing import Any

import numpy as np
import pytest
from django.test import Client

from collections_app import conformance
from collections_app.dialects.compreface import errors
from collections_app.dialects.compreface.dialect import DIALECT
from collections_app.management.commands.conformance import endpoints
from collections_app.models import Face, NearMatch, Person, SearchRecord
from collections_app.operations import do_not_enrol
from collections_app.operations.collections import create_collection, delete_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from tenants import keys
from tenants.access import ALL_SCOPES, Scope
from tests.conftest import Customer
from tests.console.conftest import member, signed_in
from tests.dialects.clients import upload
from tests.dialects.documents import document
from tests.make import base64_of, half_face, portrait, side_by_side

pytestmark = pytest.mark.django_db
JSON = "application/json"


class CompreFaceClient:
    """An integrator's client of the dialect."""

    def __init__(self, token: str) -> None:
        """Keep the whole key."""
        self._http = Client(raise_request_exception=False, headers={"x-api-key": token})

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """Send a request below /api/v1/ with a JSON body."""
        content = "" if body is None else json.dumps(body)
        return self._http.generic(method, f"/api/v1/{path}", content, JSON)

    def upload(self, path: str, image: bytes) -> Any:
        """Send an image as a file of a form."""
        return self._http.post(f"/api/v1/{path}", {"file": upload(image)})

    def add(self, subject: str, image: str) -> str:
        """Add a portrait as an example; return its id."""
        answer = self.upload(f"recognition/faces?subject={subject}", portrait(image))
        assert answer.status_code == 201
        return str(answer.json()["image_id"])


@pytest.fixture
def service(acme: Customer) -> CompreFaceClient:
    """A client with a key that is limited to "people"."""
    return CompreFaceClient(acme.key(DIALECT).token)


@pytest.fixture
def lab(acme: Customer) -> CompreFaceClient:
    """A client whose key also has the scope `scores`."""
    return CompreFaceClient(acme.key(DIALECT, scopes=ALL_SCOPES).token)


# Codes that no request can provoke reliably on a healthy server.
NOT_PROVOKED = {41}


def test_every_operation_and_every_code_is_recorded() -> None:
    cases = conformance.load(DIALECT.cases).cases
    sent = {endpoint.replace("/api/v1", "", 1) for case in cases for endpoint in endpoints(case)}
    paths = document("compreface")["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    slash = {f"{method} /recognition/subjects/" for method in ("POST", "DELETE")}  # nobody sends them
    assert sent == documented - slash
    expected = [step["expect"]["json"] for case in cases for step in case.steps]
    provoked = {body["code"] for body in expected if isinstance(body, dict) and "code" in body}
    assert provoked == {answer.code for answer in (*errors.ANSWERS.values(), *errors.FIELDS)} - NOT_PROVOKED


def test_our_own_api_beside_it_is_left_alone(acme: Customer, service: CompreFaceClient) -> None:
    assert service("GET", "me").json()["tenant"]["slug"] == "acme"
    for path in ("recognitions", "detect/nothing", "verificationx/verify", "static/key/images/id"):
        answer = service("GET", path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    for path in ("recognition", "recognition/", "detection", "verification/verify/more"):
        answer = service("GET", path)
        assert (answer.status_code, answer.json()) == (404, {"message": "No message available", "code": 0})


def test_a_subject_without_an_example_is_a_person_in_the_console(acme: Customer, service: CompreFaceClient) -> None:
    assert service("POST", "recognition/subjects", {"subject": "Mia"}).status_code == 201
    person = Person.objects.of(acme.tenant).get()
    page = signed_in(member(acme, "owner"))
    for path in ("people/", f"people/{person.pk}/"):
        answer = page.get(f"/console/acme/collections/{acme.people.alias}/{path}")
        assert answer.status_code == 200
        assert b"Mia" in answer.content
    assert service("DELETE", "recognition/subjects/mia").json() == {"subject": "Mia"}
    assert not Person.objects.of(acme.tenant).exists()


def test_each_face_of_a_picture_is_a_search(acme: Customer, service: CompreFaceClient) -> None:
    service.add("Barack", "obama")
    service.add("Emmanuel", "macron_2025")
    crowd = side_by_side("macron_2014", "sunak", "obama")
    faces = service.upload("recognition/recognize?prediction_count=3", crowd).json()["result"]
    named = {face["box"]["x_min"]: [one["subject"] for one in face["subjects"]] for face in faces}
    assert [named[place] for place in sorted(named)] == [["Emmanuel"], [], ["Barack"]]
    outcomes = SearchRecord.objects.of(acme.tenant).values_list("outcome", flat=True)
    assert sorted(outcomes) == ["match", "match", "no_match"]


def test_a_face_that_cannot_be_told_from_others_matches_nobody(acme: Customer, service: CompreFaceClient) -> None:
    face = service.add("Barack", "obama")
    (seen,) = service.upload("recognition/recognize", half_face()).json()["result"]
    assert seen["subjects"] == []
    (seen,) = service.upload(f"recognition/faces/{face}/verify", half_face()).json()["result"]
    assert seen["similarity"] == 0
    answer = service.upload("recognition/faces?subject=x", half_face())
    assert (answer.json()["code"], answer["X-Reason"][:22]) == (28, "the face cannot be tol")
    pair = {"source_image": base64_of(portrait("obama")), "target_image": base64_of(half_face())}
    matches = service("POST", "verification/verify", pair).json()["result"][0]["face_matches"]
    assert [one["similarity"] for one in matches] == [0]
    assert not SearchRecord.objects.of(acme.tenant).exists()


def test_a_picture_of_a_face_matches_nobody_and_is_recorded(acme: Customer, service: CompreFaceClient) -> None:
    service.add("Barack", "obama")
    acme.people.liveness_on_search, acme.people.liveness_threshold = True, 1.0
    acme.people.save()
    (seen,) = service.upload("recognition/recognize", portrait("obama")).json()["result"]
    assert seen["subjects"] == []
    assert SearchRecord.objects.of(acme.tenant).get().outcome == "spoof"


def _near(embedding: list[float], cosine: float) -> list[float]:
    """Return a vector with this cosine to an embedding."""
    unit = np.asarray(embedding)
    across = np.roll(unit, 1)
    across -= (across @ unit) * unit
    return list(map(float, cosine * unit + (1 - cosine**2) ** 0.5 * across / np.linalg.norm(across)))


def test_a_vector_takes_the_scope_scores_and_is_charged(
    acme: Customer, service: CompreFaceClient, lab: CompreFaceClient
) -> None:
    face = service.add("Emmanuel", "macron_2025")
    detected = service.upload("detection/detect?face_plugins=calculator", portrait("macron_2025")).json()
    sent = {"embeddings": [_near(detected["result"][0]["embedding"], 0.44)]}
    for path in ("recognition/embeddings/recognize", f"recognition/embeddings/faces/{face}/verify"):
        answer = service("POST", path, sent)
        assert (answer.status_code, answer.json()["code"], "scores" in answer.json()["message"]) == (404, 10, True)
    (found,) = lab("POST", "recognition/embeddings/recognize", sent).json()["result"]
    assert [one["subject"] for one in found["similarities"]] == ["Emmanuel"]
    (like,) = lab("POST", f"recognition/embeddings/faces/{face}/verify", sent).json()["result"]
    assert like["similarity"] == found["similarities"][0]["similarity"] == 0.86
    charge = NearMatch.objects.of(acme.tenant).get()  # the same cosine is charged once
    assert (charge.face.uuid, charge.cost) == (face, 10)
    stranger = lab("POST", "recognition/embeddings/recognize", {"embeddings": [[1.0] + [0.0] * 127]}).json()
    assert stranger["result"][0]["similarities"] == []
    answer = lab("POST", "recognition/embeddings/recognize", {"embeddings": [[1e308] * 128]})
    assert answer.json()["code"] == 0


def test_a_key_of_one_collection_reaches_no_other(acme: Customer, service: CompreFaceClient) -> None:
    create_collection(acme.caller, name="other")
    face = enrol_face(acme.caller, collection="other", image=portrait("obama"), person=PersonDetails()).faces[0]
    assert service("DELETE", f"recognition/faces/{face.uuid}").json()["code"] == 44
    (seen,) = service.upload("recognition/recognize", portrait("obama")).json()["result"]
    assert seen["subjects"] == []
    several = keys.issue(acme.tenant, name="two", scopes=list(Scope), collections=[acme.people.pk, 1]).token
    assert CompreFaceClient(several)("GET", "recognition/subjects").json()["code"] == 26
    delete_collection(acme.caller, name="people")
    answer = service("GET", "recognition/subjects")
    assert (answer.status_code, answer.json()["code"], answer["X-Reason"]) == (404, 10, "the collection was deleted")


def test_nobody_on_the_do_not_enrol_list_is_added_in_any_case(acme: Customer, service: CompreFaceClient) -> None:
    do_not_enrol.bar(acme.caller, collection="people", reference="Mia")
    for answer in (
        service.upload("recognition/faces?subject=MIA", portrait("obama")),
        service("POST", "recognition/subjects", {"subject": "mia"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, 26)
        assert "do-not-enrol" in answer.json()["message"]
    service.add("Barack", "obama")
    assert service("PUT", "recognition/subjects/Barack", {"subject": "mIa"}).json()["code"] == 26
    assert Person.objects.of(acme.tenant).get().reference == "Barack"


def test_of_two_spellings_the_exact_one_is_meant(acme: Customer, service: CompreFaceClient) -> None:
    """Other dialects tell capitals apart, so a collection may hold both."""
    for reference, image in (("mia", "obama"), ("Mia", "sunak")):
        person = PersonDetails(reference=reference)
        enrol_face(acme.caller, collection="people", image=portrait(image), person=person)
    assert service("DELETE", "recognition/subjects/Mia").json() == {"subject": "Mia"}
    assert service("GET", "recognition/subjects").json() == {"subjects": ["mia"]}
    service.add("MIA", "ardern_2018")
    assert Face.objects.of(acme.tenant).filter(person__reference="mia").count() == 2


def test_a_name_in_any_script_is_read_encoded_or_not(service: CompreFaceClient) -> None:
    service.add("미아", "obama")
    service.add("%EB%AF%B8%EC%95%84", "sunak")
    assert service("GET", "recognition/faces?subject=미아").json()["total_elements"] == 2
    assert service("GET", "recognition/subjects").json() == {"subjects": ["미아"]}
    assert service("DELETE", "recognition/subjects/미아").json() == {"subject": "미아"}


def test_a_name_with_a_slash_is_found_again(service: CompreFaceClient) -> None:
    service.add("EMP%2F1", "obama")
    assert service("DELETE", "recognition/subjects/EMP%2F1").json() == {"subject": "EMP/1"}


@pytest.mark.parametrize("image", [5, [], {}, True, None])
def test_an_image_that_is_no_text_is_refused(acme: Customer, service: CompreFaceClient, image: object) -> None:
    assert service("POST", "detection/detect", {"file": image}).json()["code"] in {5, 21}
    own = Client(raise_request_exception=False, headers={"x-api-key": acme.issued.token})
    assert own.post("/api/v1/detect", {"image": image}, content_type=JSON).status_code == 422
