"""What a program needs besides the calls: a connection, refusals as exceptions, and pages."""

import uuid
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, TypeVar

import attrs
import httpx
from httpx_retries import Retry, RetryTransport

from .client import AuthenticatedClient
from .models import Problem

T = TypeVar("T")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
_REFUSED_FOR_NOW = (429, 503)  # nothing was done


class Refused(Exception):
    """The server refused a request; `problem` has its code, title and detail."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(f"{problem.code}: {problem.detail or problem.title}")
        self.problem = problem


def connect(url: str, key: str, *, retries: int = 5, patience: float = 60, timeout: float = 60) -> AuthenticatedClient:
    """Return a client of the server at a URL, such as https://HOST, for both sync and async calls.

    A request is repeated up to `retries` times if it was refused for now (429, 503; the server's Retry-After says
    when), or could not be sent; one that only reads or deletes, also if its answer got lost. All pauses together take
    at most `patience` seconds. Every POST has an Idempotency-Key unless the call names one.
    """
    again = {"total": retries, "backoff_factor": 0.5, "total_timeout": patience}
    lost = RetryTransport(retry=Retry(status_forcelist=(), **again))
    refused = Retry(allowed_methods=_METHODS, status_forcelist=_REFUSED_FOR_NOW, retry_on_exceptions=_UNSENT, **again)
    return AuthenticatedClient(
        f"{url.rstrip('/')}/api/v1",
        key,
        timeout=httpx.Timeout(timeout),
        raise_on_unexpected_status=True,
        httpx_args={"transport": RetryTransport(transport=lost, retry=refused), "auth": _WithKey()},
    )


def result(answer: T | Problem) -> T:
    """Return a call's answer.

    Raises:
        Refused: it is a problem.
    """
    if isinstance(answer, Problem):
        raise Refused(answer)
    return answer


def every(call: ModuleType, *where: str, client: AuthenticatedClient, **query: Any) -> Iterator[Any]:
    """Yield everything that an operation lists, page by page: `every(list_faces, "people", client=client)`.

    Raises:
        Refused: a page was refused.
    """
    cursor = ""
    while cursor is not None:
        page = result(call.sync(*where, client=client, cursor=cursor, **query))
        yield from _entries(page)
        cursor = page.next_cursor


async def aevery(call: ModuleType, *where: str, client: AuthenticatedClient, **query: Any) -> AsyncIterator[Any]:
    """Yield everything that an operation lists, as `every` does."""
    cursor = ""
    while cursor is not None:
        page = result(await call.asyncio(*where, client=client, cursor=cursor, **query))
        for entry in _entries(page):
            yield entry
        cursor = page.next_cursor


def _entries(page: Any) -> list[Any]:
    values = (getattr(page, field.name) for field in attrs.fields(type(page)))
    return next(value for value in values if isinstance(value, list))


class _WithKey(httpx.Auth):
    """Adds an Idempotency-Key, which all attempts of a request share."""

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        """Add it to a POST without one."""
        if request.method == "POST":
            request.headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        yield request
