"""The dialects' OpenAPI documents, as the server serves them."""

import re
from functools import cache
from typing import Any

from django.test import Client
from jsonschema import Draft202012Validator

from collections_app import dialects

DIALECTS = {dialect.name: dialect for dialect in dialects.DIALECTS}


@cache
def document(dialect: str) -> Any:
    """Return a dialect's document."""
    answer = Client().get(f"/docs/{dialect}/openapi.json", headers={"host": "localhost"})
    assert answer.status_code == 200
    return answer.json()


def hold_to_document(method: str, answer: Any) -> None:
    """Check a response of the native API against its document: status, shape, and an error's code."""
    path = re.sub(r"<[a-z]+:([a-z_]+)>", r"{\1}", answer.resolver_match.route.removeprefix("api/v1"))
    operation = document("native")["paths"].get(path, {}).get(method.lower())
    if operation is None:
        assert answer.status_code in {404, 405}, path
        return
    described = operation["responses"][str(answer.status_code)]
    if answer.status_code in {204, 304}:
        assert not answer.content
        return
    content = described["content"][answer["Content-Type"]]
    if answer["Content-Type"].startswith("image/"):
        return
    judge = Draft202012Validator(content["schema"] | {"components": document("native")["components"]})
    judge.validate(answer.json())
    if answer.status_code >= 400:
        assert f"`{answer.json()['code']}`" in described["description"], (method, path)
