"""How a dialect describes itself: each folder's dialect.py defines one Dialect.

It is used by the URLs, the OpenAPI documents, the views (name, usage counts), the console (labels, playground,
settings), the commands `issue_key` and `conformance`, and the tests that run over every dialect.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rest_framework.request import Request

from recognition.similarity import Threshold
from tenants import sigv4

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise  # the stubs' name of what gettext_lazy returns

# An API key as a whole, or one of its two halves.
Part: TypeAlias = Literal["key", "id", "secret"]
# One OpenAPI security scheme; and one way to authenticate: all the schemes that it needs together.
SecurityScheme: TypeAlias = Mapping[str, str]
Way: TypeAlias = Mapping[str, SecurityScheme]

FACE, OTHER = "@face@", "@other@"  # placeholders for the first and the second image in the body of an Exchange
KEY_ID = "@id@"  # placeholder for the key's id in the path of an Exchange


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Where a client puts its API key: headers by name, HTTP Basic, and the URL's parameter `path` for the id.

    `signs`: the client does not send its key but signs its requests with it, for the service of this name
    (tenants.sigv4). Such a dialect accepts only keys that were issued for signing; no other dialect accepts them.
    """

    headers: Mapping[str, Part] = field(default_factory=dict)
    path: str = ""
    basic: bool = False
    signs: str = ""

    def sent(
        self,
        key_id: str,
        secret: str,
        *,
        method: str = "GET",
        url: str = "http://testserver/",
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes = b"",
    ) -> dict[str, str]:
        """Return the headers that authenticate a client with this key; a signature is that of the request."""
        if self.signs:
            signed = sigv4.sign(key_id, secret, service=self.signs, method=method, url=url, headers=headers, body=body)
            return {name: value for name, value in signed.items() if name not in headers}
        parts: dict[Part, str] = {"key": f"{key_id}.{secret}", "id": key_id, "secret": secret}
        headers = {name: parts[part] for name, part in self.headers.items()}
        if self.basic:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{key_id}:{secret}'.encode()).decode()}"
        return headers

    def in_path(self, key_id: str) -> dict[str, str]:
        """Return the path parameters that hold the key's id, by name."""
        return {self.path: key_id} if self.path else {}

    def places(self, part: Part) -> list[str]:
        """Return the names of the headers, path parameters or Basic fields that hold this part of the key."""
        named = [name for name, wanted in self.headers.items() if wanted == part]
        if part == "id" and self.path:
            named.append(self.path)
        if self.basic and part != "key":
            named.append("user" if part == "id" else "password")
        if self.signs and part != "key":
            named.append("access key id" if part == "id" else "secret access key")
        return named


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """A tenant's setting of a dialect; `choices` are pairs (value, label in the console), the default first.

    `warnings`: what the console says while a choice is in force.
    """

    label: "_StrPromise"
    help: "_StrPromise"
    choices: "tuple[tuple[str, _StrPromise], ...]"
    warnings: "Mapping[str, _StrPromise]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as a dialect's client sends it, with its response: path after the prefix, JSON body, JSON response.

    `headers` are those that it needs besides the key and a Content-Type of JSON.
    """

    path: str
    body: Mapping[str, Any]
    answer: object
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a response depends on besides the result: the tenant's profile of the dialect, and the request's id."""

    profile: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says, in words that two servers of one contract share: for `manage.py shadow`.

    `code` is that of a refusal; empty: it was answered. `found` are whom or what it found, best first: a reference of
    the client's (empty if the contract has none there) and a similarity, if there is one.
    """

    operation: str
    code: str = ""
    found: tuple[tuple[str, float | None], ...] = ()


def method_and_route(request: Request) -> str:
    """Return an operation's name: its method and its URL pattern, without the values of the request. HEAD is a GET."""
    method = "GET" if request.method == "HEAD" else request.method
    return f"{method} {request.resolver_match.route if request.resolver_match else ''}"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A dialect. `name` is its folder's name; `previews` makes an Exchange for each playground action it supports.

    `ways` are the alternative ways to authenticate; `credentials` is the first of them.
    `threshold` is the default that the contract documents for requests without one; None: the collection's applies.
    `operation_header`: the contract has one path, and this header names the operation: urls.py lists the operations as
    `#HEADER=VALUE` (config.operation_header). `operation` names a request's operation in the usage counts.
    `roots` are the first parts of its paths below the prefix if it shares the prefix with another dialect; empty: all.
    `most_bytes`: the most bytes of a body, if that is less than MAX_BODY_BYTES: a signature is checked over the body,
    so strangers can have one received.
    `verdict` reads an answer to one of the operations that find or compare: from the path below the prefix, or the
    value of the header, and the JSON body; None: another operation.
    `one_collection`: its paths name no collection, so its keys must be limited to one.
    """

    name: str
    label: str
    title: str
    prefix: str
    roots: tuple[str, ...] = ()
    one_collection: bool = False
    most_bytes: int | None = None
    description: str = ""
    ways: tuple[Way, ...]
    credentials: Credentials
    previews: Mapping[str, Callable[[Any, Setting], Exchange]]
    profiles: Profiles | None = None
    threshold: Threshold | None = None
    operation_header: str = ""
    operation: Callable[[Request], str] = method_and_route
    verdict: Callable[[str, Any], Verdict | None] | None = None

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The paths under which it answers every request, each with a slash at its end; the root: an empty one."""
        return tuple(f"{self.prefix}{root}/" for root in self.roots) or (self.prefix,)

    @property
    def urls(self) -> str:
        """The module of its URL patterns."""
        return f"{__package__}.{self.name}.urls"

    @cached_property
    def cases(self) -> Path:
        """The folder of its recorded cases."""
        return Path(__file__).parent / self.name / "cases"

    def warning(self, of_tenant: Mapping[str, Any]) -> "_StrPromise | str":
        """Return what the console says about the tenant's setting of this dialect; usually empty."""
        return self.profiles.warnings.get(self.profile(of_tenant), "") if self.profiles else ""

    def profile(self, of_tenant: Mapping[str, Any]) -> str:
        """Return the tenant's setting of this dialect, or the default."""
        if self.profiles is None:
            return ""
        chosen = of_tenant.get(self.name)
        values = [value for value, _ in self.profiles.choices]
        return chosen if chosen in values else values[0]
