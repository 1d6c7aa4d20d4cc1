"""What a dialect says of itself: the one value of its folder's dialect.py, from which everything else is assembled.

Who reads it: the URLs and the OpenAPI documents, the views (their name, how calls are counted), the console (labels,
the playground, settings), `issue_key`, `conformance`, and the tests that ask every dialect the same.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rest_framework.request import Request

from recognition.similarity import Threshold

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise  # the stubs' name of what gettext_lazy returns

# An API key as a whole, or one of its two halves.
Part: TypeAlias = Literal["key", "id", "secret"]
# How OpenAPI describes one header or scheme; and one way to prove who is asking: all the schemes that it needs.
SecurityScheme: TypeAlias = Mapping[str, str]
Way: TypeAlias = Mapping[str, SecurityScheme]

FACE, OTHER = "@face@", "@other@"  # in the body of an Exchange: where the first image goes, and the second
KEY_ID = "@id@"  # in the path of an Exchange: where the key's id goes


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Where a client puts its API key: in headers, as HTTP Basic, its id into the parameter `path` of the URL."""

    headers: Mapping[str, Part] = field(default_factory=dict)
    path: str = ""
    basic: bool = False

    def sent(self, key_id: str, secret: str) -> dict[str, str]:
        """Return the headers with which a client proves that it has this key."""
        parts: dict[Part, str] = {"key": f"{key_id}.{secret}", "id": key_id, "secret": secret}
        headers = {name: parts[part] for name, part in self.headers.items()}
        if self.basic:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{key_id}:{secret}'.encode()).decode()}"
        return headers

    def in_path(self, key_id: str) -> dict[str, str]:
        """Return what goes into the URL's path, by the parameter's name."""
        return {self.path: key_id} if self.path else {}

    def places(self, part: Part) -> list[str]:
        """Return the names of the places where this part of the key goes."""
        named = [name for name, wanted in self.headers.items() if wanted == part]
        if part == "id" and self.path:
            named.append(self.path)
        if self.basic and part != "key":
            named.append("user" if part == "id" else "password")
        return named


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """A setting that a tenant has of a dialect; `choices` are (value, what the console calls it), the default first."""

    label: "_StrPromise"
    help: "_StrPromise"
    choices: "tuple[tuple[str, _StrPromise], ...]"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of a dialect's client and its answer: the path after the prefix, the JSON body, the answer's JSON."""

    path: str
    body: Mapping[str, Any]
    answer: object


@dataclass(frozen=True, slots=True)
class Setting:
    """What an answer depends on besides its facts: the tenant's profile of the dialect, and the request's id."""

    profile: str
    request_id: str


def method_and_route(request: Request) -> str:
    """Name an operation by method and path, as the URL configuration writes it: without what callers put in."""
    return f"{request.method} {request.resolver_match.route if request.resolver_match else ''}"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A dialect. `name` is its folder's; `previews` has an Exchange for each action of the playground that it knows.

    `ways` are the alternatives by which its clients may prove who they are; `credentials` is the first of them.
    `threshold` is what the contract documents where a request gives none; None: it is the collection's.
    """

    name: str
    label: str
    title: str
    prefix: str
    description: str = ""
    ways: tuple[Way, ...]
    credentials: Credentials
    previews: Mapping[str, Callable[[Any, Setting], Exchange]]
    profiles: Profiles | None = None
    threshold: Threshold | None = None
    operation: Callable[[Request], str] = method_and_route

    @property
    def urls(self) -> str:
        """The module of its endpoints."""
        return f"{__package__}.{self.name}.urls"

    @cached_property
    def cases(self) -> Path:
        """The folder of its contract's recorded cases."""
        return Path(__file__).parent / self.name / "cases"

    def profile(self, of_tenant: Mapping[str, Any]) -> str:
        """Return the tenant's setting of this dialect: the default unless the tenant has chosen another."""
        if self.profiles is None:
            return ""
        chosen = of_tenant.get(self.name)
        values = [value for value, _ in self.profiles.choices]
        return chosen if chosen in values else values[0]
