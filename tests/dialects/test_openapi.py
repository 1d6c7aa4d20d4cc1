"""The OpenAPI documents are valid and complete and match the URLs; pages show them."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, URLResolver
from drf_spectacular.drainage import GENERATOR_STATS
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.dialects.documents import DIALECTS, document

METHODS = ("get", "post", "put", "patch", "delete")
BODILESS = (
    "/get-computing-node",
    "/list-computing-node",
    "/rebuild",
    "/health",
    "/repeat",
    "/cancel",
    "/start",
    "/liveness-challenges",
    "/challenge",
)


def _operations(dialect: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(dialect)["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _mounted(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, str]]:
    """Yield path and method of every operation in the URL configuration, except in undocumented views."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _mounted(pattern.url_patterns, prefix + str(pattern.pattern))
        elif (view := pattern.callback.view_class).schema is not None:  # type: ignore[attr-defined]
            path = re.sub(r"<[a-z]+:([a-z_]+)>", r"{\1}", prefix + str(pattern.pattern))
            yield from ((path, method) for method in METHODS if hasattr(view, method))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_document_is_valid_and_made_without_a_warning(dialect: str) -> None:
    GENERATOR_STATS.reset()
    document.cache_clear()
    validate(document(dialect))
    assert not GENERATOR_STATS, "drf-spectacular warned; its words stand in stderr"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_document_has_every_endpoint_and_no_other(dialect: str) -> None:
    urls = importlib.import_module(DIALECTS[dialect].urls).urlpatterns
    described = [(path, method) for path, method, _ in _operations(dialect)]
    assert sorted(described) == sorted(_mounted(urls))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_operation_says_what_it_takes_what_it_answers_and_who_may_ask(dialect: str) -> None:
    prefix, ways = DIALECTS[dialect].prefix, DIALECTS[dialect].ways
    assert document(dialect)["servers"] == [{"url": f"/{prefix.rstrip('/')}"}]
    schemes = document(dialect)["components"]["securitySchemes"]
    assert schemes == {name: scheme for way in ways for name, scheme in way.items()}
    ids = [operation["operationId"] for _, _, operation in _operations(dialect)]
    assert len(ids) == len(set(ids))
    for path, method, operation in _operations(dialect):
        takes_a_body = method in {"post", "put", "patch"} and not path.endswith(BODILESS)
        assert ("requestBody" in operation) == takes_a_body, path
        assert operation["security"] == [{name: [] for name in way} for way in ways]
        assert operation["description"]
        named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert named == {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        for status, answer in operation["responses"].items():
            assert answer.get("content") or status in {"204", "304"}, (path, status)
            assert "refused" in answer["description"] or status.startswith("2") or status == "304"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_body_and_answer_has_an_example_that_fits(dialect: str) -> None:
    """Vendors' documents also have example responses; the native API's schema is sufficient."""
    components = document(dialect)["components"]
    for path, _, operation in _operations(dialect):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for body in [*bodies, *operation["responses"].values()]:
            for content in _contents(body):
                judge = Draft202012Validator(content["schema"] | {"components": components})
                examples = content.get("examples", {})
                assert examples or (dialect == "native" and body not in bodies), path
                for example in examples.values():
                    judge.validate(example["value"])


def test_our_own_api_takes_a_key_either_way_and_accuauth_both_of_its_headers() -> None:
    assert document("native")["paths"]["/me"]["get"]["security"] == [{"Key": []}, {"Bearer": []}]
    assert document("accuauth")["paths"]["/create"]["post"]["security"] == [{"Id": [], "Secret": []}]


def _contents(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the description of a body for each of its JSON alternatives."""
    return [content for kind, content in body.get("content", {}).items() if "json" in kind]


@pytest.mark.parametrize(
    ("dialect", "path", "kinds", "body", "file"),
    [
        ("accuauth", "/add_face", ["multipart/form-data", "application/x-www-form-urlencoded"], "AddFaceForm", "file"),
        ("native", "/collections/{collection}/faces", ["multipart/form-data"], "EnrolForm", "image"),
        ("native", "/compare", ["multipart/form-data"], "CompareForm", "target"),
    ],
)
def test_uploads_are_files(dialect: str, path: str, kinds: list[str], body: str, file: str) -> None:
    content = document(dialect)["paths"][path]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", *kinds}
    assert document(dialect)["components"]["schemas"][body]["properties"][file]["format"] == "binary"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_has_a_name_of_its_own_in_each_media_type(dialect: str) -> None:
    """Generated clients choose the media type by the body's class."""
    for path, _, operation in _operations(dialect):
        contents = operation.get("requestBody", {}).get("content", {}).values()
        named = [content["schema"]["$ref"] for content in contents if "$ref" in content["schema"]]
        assert len(named) == len(set(named)), path


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("page", ["", "redoc/"])
def test_a_page_asks_no_other_host(dialect: str, page: str) -> None:
    answer = Client().get(f"/docs/{dialect}/{page}", headers={"host": "localhost"})
    assert answer.status_code == 200
    assert f"/docs/{dialect}/" in answer.content.decode()
    assert not re.search(r"(https?:)?//\w", answer.content.decode())
    assert finders.find("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")
