"""Amazon Rekognition by its own client: boto3 against a running server, and the service model that it reads.

One file although it is longer than 300 lines: its tests share one server.
"""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from django.conf import settings
from jsonschema import Draft202012Validator

from tests.dialects.documents import document
from tests.make import blank, portrait
from tests.processes import environment, manage, web_server

NO_FACE = "There are no faces in the image. Should be at least 1."
UNKNOWN = "11111111-2222-4333-8444-555555555555"
CAST = """
import json
from django.core.management import call_command
from collections_app.operations.collections import create_collection
from tenants import keys
from tenants.access import ALL_SCOPES, Scope, system
from tenants.lifecycle import create_tenant

call_command("migrate", verbosity=0)
acme, full = create_tenant("acme", "Acme"), create_tenant("full", "Full")
create_collection(system(full, "tests"), name="small", face_limit=1)
scopes = ALL_SCOPES - {Scope.SCORES}
made = {
    "acme": keys.issue(acme, name="boto3", scopes=scopes, signs=True),
    "reader": keys.issue(acme, name="reader", scopes=["read"], signs=True),
    "slow": keys.issue(acme, name="slow", scopes=scopes, requests_per_minute=0, signs=True),
    "full": keys.issue(full, name="full", scopes=scopes, signs=True),
}
print(json.dumps({name: [issued.key.pk, issued.secret] for name, issued in made.items()}))
"""
MODEL = botocore.session.get_session().get_service_model("rekognition")
OFFERED = sorted(
    path.rpartition(".")[2] for path in document("rekognition")["paths"]
)  # the document lists the operations as `/#X-Amz-Target=RekognitionService.NAME`


@dataclass(frozen=True)
class Account:
    """A server's address, and keys by name."""

    url: str
    keys: Mapping[str, list[str]]

    def client(self, name: str = "acme", attempts: int = 1) -> Any:
        """Return boto3's client, which only gets another endpoint and a key."""
        return boto3.client(
            "rekognition",
            endpoint_url=f"{self.url}/rekognition",
            region_name="eu-west-1",
            aws_access_key_id=self.keys[name][0],
            aws_secret_access_key=self.keys[name][1],
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}),
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Run a server."""
    env = environment(tmp_path_factory.mktemp("rekognition"))
    made = json.loads(manage(env, "shell", "--verbosity", "0", "-c", CAST))
    with web_server(env, workers=1) as (url, _):
        yield Account(url, made)


@pytest.fixture(scope="module")
def amazon(account: Account) -> Any:
    """Return the client."""
    return account.client()


@pytest.fixture
def people(amazon: Any) -> Iterator[str]:
    """Return a new collection."""
    name = "people"
    amazon.create_collection(CollectionId=name)
    yield name
    amazon.delete_collection(CollectionId=name)


def picture(name: str) -> dict[str, bytes]:
    """Return a portrait as boto3 takes it."""
    return {"Bytes": portrait(name)}


def add(amazon: Any, collection: str, name: str, **more: Any) -> str:
    """Add a portrait; return its FaceId."""
    done = amazon.index_faces(CollectionId=collection, Image=picture(name), ExternalImageId=name, **more)
    return str(done["FaceRecords"][0]["Face"]["FaceId"])


def test_the_whole_cycle(amazon: Any, people: str) -> None:
    face = add(amazon, people, "macron_2025", MaxFaces=1, QualityFilter="AUTO")
    described = amazon.describe_collection(CollectionId=people)
    assert described["FaceCount"] == 1
    assert re.fullmatch(r"arn:aws:rekognition:eu-west-1:\d{12}:collection/people", described["CollectionARN"])
    assert described["CreationTimestamp"].tzinfo
    assert people in amazon.list_collections()["CollectionIds"]
    found = amazon.search_faces_by_image(CollectionId=people, Image=picture("macron_2014"), MaxFaces=5)
    (match,) = found["FaceMatches"]
    assert (match["Face"]["FaceId"], match["Face"]["ExternalImageId"]) == (face, "macron_2025")
    assert 80 <= match["Similarity"] <= 100
    assert 0 < found["SearchedFaceBoundingBox"]["Width"] < 1
    other = add(amazon, people, "macron_2014")
    assert amazon.search_faces(CollectionId=people, FaceId=other)["FaceMatches"][0]["Face"]["FaceId"] == face
    assert [one["FaceId"] for one in amazon.list_faces(CollectionId=people)["Faces"]] == [other, face]
    gone = amazon.delete_faces(CollectionId=people, FaceIds=[face, UNKNOWN])
    assert gone["DeletedFaces"] == [face]
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": UNKNOWN, "Reasons": ["FACE_NOT_FOUND"]}]
    found = amazon.search_faces_by_image(CollectionId=people, Image=picture("macron_2025"))
    assert [one["Face"]["FaceId"] for one in found["FaceMatches"]] == [other]


def test_images_are_compared_and_examined(amazon: Any) -> None:
    done = amazon.compare_faces(SourceImage=picture("obama"), TargetImage=picture("two_people"))
    assert (len(done["FaceMatches"]), len(done["UnmatchedFaces"])) == (1, 1)
    (face,) = amazon.detect_faces(Image=picture("obama"), Attributes=["ALL"])["FaceDetails"]
    at = {point["Type"]: (point["X"], point["Y"]) for point in face["Landmarks"]}
    assert len(at) == 28
    assert at["upperJawlineLeft"][0] < at["leftEyeLeft"][0] < at["eyeLeft"][0] < at["nose"][0] < at["eyeRight"][0]
    assert at["leftEyeBrowUp"][1] < at["leftEyeUp"][1] < at["leftEyeDown"][1] < at["mouthUp"][1] < at["chinBottom"][1]
    (face,) = amazon.detect_faces(Image=picture("obama"))["FaceDetails"]
    assert len(face["Landmarks"]) == 5
    assert amazon.detect_faces(Image={"Bytes": blank()})["FaceDetails"] == []


def test_what_is_not_indexed_comes_with_its_reasons(amazon: Any, people: str) -> None:
    two = amazon.index_faces(CollectionId=people, Image=picture("two_people"), MaxFaces=1)
    assert [one["Reasons"] for one in two["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]
    none = amazon.index_faces(CollectionId=people, Image={"Bytes": blank()})
    assert (none["FaceRecords"], none["UnindexedFaces"]) == ([], [])


def test_paginators_go_through_long_lists(amazon: Any, people: str) -> None:
    for name in ("p-1", "p-2"):
        amazon.create_collection(CollectionId=name)
    faces = {add(amazon, people, name) for name in ("obama", "sunak", "macron_2025")}
    pages = list(amazon.get_paginator("list_faces").paginate(CollectionId=people, MaxResults=1))
    assert {face["FaceId"] for page in pages for face in page["Faces"]} == faces
    assert len(pages) == 3
    listed = amazon.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 1}).build_full_result()
    assert listed["CollectionIds"] == ["p-1", "p-2", people]
    for name in ("p-1", "p-2"):
        amazon.delete_collection(CollectionId=name)


def test_users_are_made_given_faces_and_found(amazon: Any, people: str) -> None:
    in_people = {"CollectionId": people}
    first, second, obama = (add(amazon, people, name) for name in ("macron_2025", "macron_2014", "obama"))
    amazon.create_user(**in_people, UserId="emmanuel")
    amazon.create_user(**in_people, UserId="barack")
    assert amazon.describe_collection(**in_people)["UserCount"] == 2
    done = amazon.associate_faces(**in_people, UserId="emmanuel", FaceIds=[first])
    assert (done["AssociatedFaces"], done["UserStatus"]) == ([{"FaceId": first}], "ACTIVE")
    done = amazon.associate_faces(**in_people, UserId="emmanuel", FaceIds=[second, obama, UNKNOWN])
    assert done["AssociatedFaces"] == [{"FaceId": second}]
    reasons = {one["FaceId"]: one["Reasons"] for one in done["UnsuccessfulFaceAssociations"]}
    assert reasons == {obama: ["LOW_MATCH_CONFIDENCE"], UNKNOWN: ["FACE_NOT_FOUND"]}
    done = amazon.associate_faces(**in_people, UserId="barack", FaceIds=[first])
    assert done["UnsuccessfulFaceAssociations"] == [
        {"FaceId": first, "UserId": "emmanuel", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
    ]
    users = amazon.get_paginator("list_users").paginate(**in_people, MaxResults=1).build_full_result()["Users"]
    assert {(one["UserId"], one["UserStatus"]) for one in users} == {("emmanuel", "ACTIVE"), ("barack", "CREATED")}
    found = amazon.search_users_by_image(**in_people, Image=picture("macron_2014"), MaxUsers=5)
    assert [match["User"]["UserId"] for match in found["UserMatches"]] == ["emmanuel"]
    assert found["UnsearchedFaces"] == []
    assert amazon.search_users(**in_people, FaceId=second)["UserMatches"][0]["User"]["UserId"] == "emmanuel"
    found = amazon.search_users(**in_people, UserId="emmanuel")
    assert (found["UserMatches"], found["SearchedUser"]) == ([], {"UserId": "emmanuel"})
    assert amazon.search_users(**in_people, UserId="barack")["UserMatches"] == []
    listed = amazon.list_faces(**in_people, UserId="emmanuel")["Faces"]
    assert [(face["FaceId"], face["UserId"]) for face in listed] == [(second, "emmanuel"), (first, "emmanuel")]
    kept = amazon.delete_faces(**in_people, FaceIds=[first])["UnsuccessfulFaceDeletions"]
    assert kept == [{"FaceId": first, "UserId": "emmanuel", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}]
    done = amazon.disassociate_faces(**in_people, UserId="emmanuel", FaceIds=[first, obama])
    assert done["DisassociatedFaces"] == [{"FaceId": first}]
    assert done["UnsuccessfulFaceDisassociations"][0]["Reasons"] == ["ASSOCIATED_TO_A_DIFFERENT_USER"]
    assert amazon.disassociate_faces(**in_people, UserId="emmanuel", FaceIds=[second])["UserStatus"] == "CREATED"
    amazon.delete_user(**in_people, UserId="emmanuel")
    with pytest.raises(amazon.exceptions.ResourceNotFoundException):
        amazon.delete_user(**in_people, UserId="emmanuel")
    assert amazon.describe_collection(**in_people)["FaceCount"] == 3
    assert amazon.delete_faces(**in_people, FaceIds=[first])["DeletedFaces"] == [first]


def test_a_request_token_does_a_change_once(amazon: Any, people: str) -> None:
    user = {"CollectionId": people, "UserId": "ada"}
    for _ in range(2):
        amazon.create_user(**user, ClientRequestToken="one")
    with pytest.raises(amazon.exceptions.ConflictException):
        amazon.create_user(**user, ClientRequestToken="two")
    with pytest.raises(amazon.exceptions.IdempotentParameterMismatchException):
        amazon.create_user(**user | {"UserId": "bob"}, ClientRequestToken="one")
    face = add(amazon, people, "obama")
    amazon.associate_faces(**user, FaceIds=[face])
    answers = [amazon.disassociate_faces(**user, FaceIds=[face], ClientRequestToken="three") for _ in range(2)]
    assert [answer["DisassociatedFaces"] for answer in answers] == [[{"FaceId": face}]] * 2
    for _ in range(2):
        amazon.delete_user(**user, ClientRequestToken="four")


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Content-Length: 15000001"])
def test_a_stranger_cannot_have_a_large_body_received(account: Account, length: str) -> None:
    """A signature is checked over the body: whoever knows a key's id can send one, but no more than 15 MB."""
    where, sent, received = urlsplit(account.url), 0, b""
    scope = f"{account.keys['acme'][0]}/{datetime.now(UTC):%Y%m%d}/eu-west-1/rekognition/aws4_request"
    lines = [
        "POST /rekognition HTTP/1.1",
        f"Host: {where.netloc}",
        "Content-Type: application/x-amz-json-1.1",
        "X-Amz-Target: RekognitionService.DetectFaces",
        f"X-Amz-Date: {datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        (
            f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date;x-amz-target, "
            f"Signature={'0' * 64}"
        ),
        length,
    ]
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        while "chunked" in length and sent < 15_000_001:
            connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            sent += 0x10000
        while b"}" not in received:
            received += connection.recv(4096)
    assert b"ImageTooLargeException" in received


def test_collections_have_tags(amazon: Any) -> None:
    arn = amazon.create_collection(CollectionId="tagged", Tags={"site": "north"})["CollectionArn"]
    amazon.tag_resource(ResourceArn=arn, Tags={"site": "south", "team": "doors"})
    amazon.untag_resource(ResourceArn=arn, TagKeys=["team", "none"])
    assert amazon.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"site": "south"}
    with pytest.raises(amazon.exceptions.ServiceQuotaExceededException):
        amazon.tag_resource(ResourceArn=arn, Tags={str(number): "" for number in range(200)})
    amazon.delete_collection(CollectionId="tagged")
    foreign = re.sub(r"\d{12}", "000000000000", arn)
    for gone in (arn, foreign):
        with pytest.raises(amazon.exceptions.ResourceNotFoundException):
            amazon.list_tags_for_resource(ResourceArn=gone)


PROVOKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ResourceAlreadyExistsException": ("acme", "create_collection", {"CollectionId": "people"}),
    "ResourceNotFoundException": ("acme", "describe_collection", {"CollectionId": "none"}),
    "InvalidParameterException": ("acme", "search_faces_by_image", {"CollectionId": "people", "Image": blank()}),
    "InvalidImageFormatException": ("acme", "detect_faces", {"Image": b"no image"}),
    "ImageTooLargeException": ("acme", "detect_faces", {"Image": bytes(5_242_881)}),
    "InvalidS3ObjectException": ("acme", "detect_faces", {"Image": {"S3Object": {"Bucket": "faces", "Name": "a"}}}),
    "InvalidPaginationTokenException": ("acme", "list_faces", {"CollectionId": "people", "NextToken": "x"}),
    "AccessDeniedException": ("reader", "create_collection", {"CollectionId": "other"}),
    "ProvisionedThroughputExceededException": ("slow", "list_collections", {}),
    "ServiceQuotaExceededException": (
        "full",
        "index_faces",
        {"CollectionId": "small", "Image": portrait("two_people")},
    ),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_an_exception_of_the_service_model_is_raised(account: Account, people: str, name: str) -> None:
    key, operation, given = PROVOKED[name]
    client = account.client(key)
    given = {k: {"Bytes": v} if isinstance(v, bytes) else v for k, v in given.items()}
    with pytest.raises(getattr(client.exceptions, name)) as raised:
        getattr(client, operation)(**given)
    error = raised.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["ResponseMetadata"]["RequestId"]
    assert name != "InvalidParameterException" or error["Error"]["Message"] == NO_FACE


def test_a_program_without_a_setting_gets_the_endpoint_from_its_environment(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), account.keys["acme"], strict=True):
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL_REKOGNITION", "AWS_ENDPOINT_URL"):
        with monkeypatch.context() as environment:
            environment.setenv(name, f"{account.url}/rekognition")
            client = boto3.Session().client("rekognition", region_name="us-east-1")  # the default one keeps old keys
            assert "CollectionIds" in client.list_collections()


def test_what_is_not_offered_says_so(amazon: Any) -> None:
    for call in (lambda: amazon.recognize_celebrities(Image=picture("obama")), amazon.list_stream_processors):
        with pytest.raises(ClientError) as raised:
            call()
        assert raised.value.response["Error"]["Code"] == "UnknownOperationException"


def test_throttled_requests_are_retried(account: Account) -> None:
    with pytest.raises(ClientError) as raised:
        account.client("slow", attempts=3).list_collections()
    assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 2


def test_clients_in_parallel_read_their_own_writes(account: Account, people: str) -> None:
    def cycle(name: str) -> list[str]:
        own = account.client()
        face = add(own, people, name)
        found = own.search_faces_by_image(CollectionId=people, Image=picture(name), MaxFaces=100)
        return [face] if face in {match["Face"]["FaceId"] for match in found["FaceMatches"]} else []

    names = ["obama", "sunak", "macron_2025", "ardern_2018"] * 2
    with ThreadPoolExecutor(len(names)) as pool:
        found = [face for faces in pool.map(cycle, names) for face in faces]
    assert len(set(found)) == len(names)


@pytest.mark.parametrize("operation", OFFERED)
def test_a_body_is_that_of_the_service_model(operation: str) -> None:
    """Same names and required fields; what the model bounds is bounded no wider, and answers have no other field."""
    model, described = MODEL.operation_model(operation), document("rekognition")
    found = described["paths"][f"/#X-Amz-Target=RekognitionService.{operation}"]["post"]
    components = {"components": described["components"]}
    (body,) = found["requestBody"]["content"].values()
    (answer,) = found["responses"]["200"]["content"].values()
    asked = set(_names(body["schema"], components, model.input_shape))
    assert asked - set(_members(model.input_shape)) == set()
    required = _resolved(body["schema"], components).get("required", [])
    assert set(required) == set(model.input_shape.required_members)
    assert set(_names(answer["schema"], components, model.output_shape)) - set(_members(model.output_shape)) == set()
    for example in body["examples"].values():
        Draft202012Validator(body["schema"] | components).validate(example["value"])


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    schema = schema["allOf"][0] if "allOf" in schema else schema
    if "$ref" in schema:
        schema = components["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _names(schema: dict[str, Any], components: dict[str, Any], shape: Any, at: str = "") -> Iterator[str]:
    """Yield the places of a body's fields, and of those that are bounded wider than the shape."""
    schema = _resolved(schema, components)
    bounds = {"min": ("minimum", "minLength", "minItems"), "max": ("maximum", "maxLength", "maxItems")}
    for bound, names in bounds.items():
        ours = next((schema[name] for name in names if name in schema), None)
        theirs = shape.metadata.get(bound) if shape else None
        if ours is not None and theirs is not None and ((ours < theirs) if bound == "min" else (ours > theirs)):
            yield f"{at} {bound} {ours}"
    for name, inner in schema.get("properties", {}).items():
        yield f"{at}.{name}"
        member = shape.members.get(name) if shape and shape.type_name == "structure" else None
        yield from _names(inner, components, member, f"{at}.{name}")
    if "items" in schema:
        yield from _names(schema["items"], components, getattr(shape, "member", None), f"{at}[]")


def _members(shape: Any, at: str = "") -> Iterator[str]:
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield f"{at}.{name}"
            yield from _members(member, f"{at}.{name}")
    elif shape.type_name == "list":
        yield from _members(shape.member, f"{at}[]")


INTEGRATE = (settings.BASE_DIR / "docs" / "integrate.md").read_text()


def test_the_documents_example_runs(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (code,) = re.findall(r"```python\n(import boto3.*?)```", INTEGRATE, re.DOTALL)
    for name, sample in (("ada.jpg", "macron_2025"), ("door.jpg", "macron_2014")):
        (tmp_path / name).write_bytes(portrait(sample))
    monkeypatch.chdir(tmp_path)
    key, secret = account.keys["acme"]
    shown: list[Any] = []
    for word, value in {"https://HOST": account.url, "ID": key, "SECRET": secret}.items():
        code = re.sub(rf"(?<=\"){word}", value, code)
    exec(compile(code, "integrate.md", "exec"), {"print": lambda *words: shown.append(words)})  # noqa: S102 -- it is ours
    assert shown[0][0] == "ada"


def test_the_documents_commands_are_those_of_the_command_line_client() -> None:
    """The AWS CLI makes its options of the service model: a hyphen before each capital."""
    lines = re.findall(r"aws rekognition (\S+) (.*)", INTEGRATE.replace("\\\n", " "))
    assert len(lines) >= 3
    for command, options in lines:
        operation = "".join(word.capitalize() for word in command.split("-"))
        assert operation in OFFERED
        members = {
            re.sub(r"(?<!^)([A-Z])", r"-\1", name).lower()
            for name in MODEL.operation_model(operation).input_shape.members
        }
        named = set(re.findall(r"--(\S+)", options)) - {"endpoint-url", "region"}
        assert named <= members | {"image-bytes"}
