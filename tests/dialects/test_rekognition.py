"""Amazon Rekognition by its own client: boto3 against a running server."""

import json
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from tests.make import portrait
from tests.processes import environment, manage, web_server

CAST = """
import json
from django.core.management import call_command
from tenants import keys
from tenants.access import ALL_SCOPES, Scope
from tenants.lifecycle import create_tenant

call_command("migrate", verbosity=0)
acme = create_tenant("acme", "Acme")
issued = keys.issue(acme, name="boto3", scopes=list(ALL_SCOPES - {Scope.SCORES}), signs=True)
print(json.dumps({"id": issued.key.pk, "secret": issued.secret}))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    env = environment(tmp_path_factory.mktemp("rekognition"))
    key = json.loads(manage(env, "shell", "--verbosity", "0", "-c", CAST))
    with web_server(env, workers=1) as (url, _):
        yield boto3.client(
            "rekognition",
            endpoint_url=f"{url}/rekognition",
            region_name="eu-west-1",
            aws_access_key_id=key["id"],
            aws_secret_access_key=key["secret"],
            config=Config(retries={"total_max_attempts": 1}),
        )


def test_smoke(client: Any) -> None:
    print(client.create_collection(CollectionId="people"))
    print(client.describe_collection(CollectionId="people"))
    print(client.list_collections())
    print(client.index_faces(CollectionId="people", Image={"Bytes": portrait("obama")}, ExternalImageId="obama"))
    print(client.search_faces_by_image(CollectionId="people", Image={"Bytes": portrait("obama")}))
    print(client.list_faces(CollectionId="people"))
    print(client.compare_faces(SourceImage={"Bytes": portrait("obama")},TargetImage={"Bytes": portrait("two_people")}))
    print(client.detect_faces(Image={"Bytes": portrait("obama")}))
