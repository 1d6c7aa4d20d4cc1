"""The dialects' OpenAPI documents, as the server serves them."""

from functools import cache
from typing import Any

from django.test import Client

from config.docs import DIALECTS

__all__ = ["DIALECTS", "document"]


@cache
def document(dialect: str) -> Any:
    """Return a dialect's document."""
    answer = Client().get(f"/docs/{dialect}/openapi.json", headers={"host": "localhost"})
    assert answer.status_code == 200
    return answer.json()
