"""The conformance kit: recorded cases of a vendor's contract, compared with a live server's answers.

A case is a JSON file with a description and steps; a step is a request and the exact answer. Cases run against any
server that implements the contract, ours or the vendor's. This module knows HTTP and JSON, and no part of the product.

In a case `${name}` stands for a credential or for a value kept from an earlier answer; `${unique}` for a text that is
new in each run; `${image:NAME}` for the base64 of a portrait; `${padding:SIZE}` for the base64 of SIZE zero bytes;
`${basic}` for a key's id and secret as in HTTP Basic. In an expected answer a string such as `<uuid>` matches any
value of that form, and a key `...` allows further keys in an object. The values at the places in `ascending` must rise
from each to the next. Cases that need an optional credential are left out when it is missing.

`#HEADER=VALUE` at the end of a path is sent as that header. A contract whose requests are signed (tenants.sigv4) names
the service and the `key`, id and secret; a step may name another key, or null to leave its request unsigned.
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tenants.sigv4 import sign

_NAMED = re.compile(r"\$\{([a-z_]+)(?::([A-Za-z0-9_/]+))?\}")
_BEGINS = re.compile(r"<begins (.+)>")
_SECONDS = 60.0
_UPLOADS = ("file", "image")


def _fits(pattern: str) -> Callable[[Any], bool]:
    form = re.compile(pattern)
    return lambda value: isinstance(value, str) and form.fullmatch(value) is not None


def _number(value: Any) -> bool:  # noqa: ANN401 -- JSON, here and below
    return isinstance(value, int | float) and not isinstance(value, bool)


MATCHERS: Mapping[str, Callable[[Any], bool]] = {
    "<any>": lambda _: True,
    "<string>": lambda value: isinstance(value, str),
    "<text>": lambda value: isinstance(value, str) and value != "",
    "<boolean>": lambda value: isinstance(value, bool),
    "<integer>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<number>": _number,
    "<share>": lambda value: _number(value) and 0 <= value <= 1,
    "<percent>": lambda value: _number(value) and 0 <= value <= 100,  # noqa: PLR2004 -- what percent means
    "<list>": lambda value: isinstance(value, list),
    "<uuid>": _fits(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "<hex16>": _fits(r"[0-9a-f]{16}"),
    "<tid>": _fits(r"TID[0-9a-f]{32}"),
    "<local-time>": _fits(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
    "<time>": _fits(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A case of a contract: its file's name, its description, the optional credentials that it needs, and its steps."""

    name: str
    about: str
    needs: frozenset[str]
    steps: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """A dialect's cases, the headers of every request, and the required and optional credentials of a run."""

    credentials: tuple[str, ...]
    optional: frozenset[str]
    headers: Mapping[str, str]
    cases: tuple[Case, ...]
    signs: str = ""  # the service to which requests are signed
    key: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where an answer differs from the contract."""

    step: int
    where: str
    expected: object
    found: object


@dataclass(slots=True)
class Run:
    """One run of a contract against a server."""

    contract: Contract
    base_url: str
    credentials: Mapping[str, str]
    images: Path
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=_SECONDS))

    def differences(self, case: Case) -> list[Difference]:
        """Run a case to its end or to the first step that differs, because later steps may depend on it."""
        known = {**self.credentials, "unique": secrets.token_hex(6)}
        for number, step in enumerate(case.steps, start=1):
            status, answer = self._send(step, known)
            expected = self._filled(step["expect"], known)
            found = list(compare(expected["json"], answer, "answer"))
            if status != expected.get("status", 200):
                found.insert(0, ("status", expected.get("status", 200), status))
            found += _unordered(answer, step.get("ascending", ()))
            if found:
                return [Difference(number, *difference) for difference in found]
            known |= {name: str(_at(answer, place)) for name, place in step.get("keep", {}).items()}
        return []

    def _send(self, step: Mapping[str, Any], known: Mapping[str, str]) -> tuple[int, Any]:
        method, path = self._filled(step["send"], known).split(" ", 1)
        path, _, named = path.partition("#")
        headers = self._filled({**self.contract.headers, **step.get("headers", {})}, known)
        headers |= dict([named.split("=", 1)]) if named else {}
        fields: dict[str, Any] = {}
        body: bytes | None = None
        if "json" in step:
            body = json.dumps(self._filled(step["json"], known)).encode()
            headers = {"Content-Type": "application/json", **headers}
        elif "raw" in step:
            body = self._filled(step["raw"], known).encode()
        elif "form" in step:
            fields = {
                "fields": self._form(self._filled(step["form"], known), nameless=step.get("nameless", False)),
                "encode_multipart": step.get("multipart", True),
            }
        present = {name: value for name, value in headers.items() if value is not None}
        key = step.get("key", self.contract.key)
        if self.contract.signs and key:
            key_id, secret = self._filled(list(key), known)
            url, service = self.base_url + path, self.contract.signs
            present = sign(key_id, secret, service=service, method=method, url=url, headers=present, body=body or b"")
        answer = self.http.request(method, self.base_url + path, body=body, headers=present, **fields)
        try:
            return answer.status, json.loads(answer.data)
        except ValueError:
            return answer.status, answer.data.decode(errors="replace")

    def _form(self, form: Mapping[str, Any], *, nameless: bool) -> dict[str, Any]:
        """Return the fields for urllib3: those whose names end in `file` or `image` as uploads, all others as text.

        `nameless`: the uploads have no file names.
        """
        images = {name: base64.b64decode(form[name]) for name in form if name.lower().endswith(_UPLOADS)}
        uploads = {
            name: content if nameless else ("image.jpg", content, "image/jpeg") for name, content in images.items()
        }
        return {name: uploads.get(name, str(value)) for name, value in form.items()}

    def _filled(self, value: Any, known: Mapping[str, str]) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return _NAMED.sub(lambda found: self._value(found, known), value)
        if isinstance(value, Mapping):
            return {key: self._filled(item, known) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, known) for item in value]
        return value

    def _value(self, found: re.Match[str], known: Mapping[str, str]) -> str:
        name, image = found.groups()
        if name == "image":
            return base64.b64encode((self.images / f"{image}.jpg").read_bytes()).decode()
        if name == "padding":
            return base64.b64encode(bytes(int(image))).decode()
        if name == "basic":
            return base64.b64encode(f"{known['id']}:{known['secret']}".encode()).decode()
        return known[name]


def load(folder: Path) -> Contract:
    """Read a dialect's contract: `contract.json` and a file for each case beside it."""
    head = json.loads((folder / "contract.json").read_text(encoding="utf-8"))
    files = sorted(file for file in folder.glob("*.json") if file.name != "contract.json")
    optional = frozenset(head.get("optional", ()))
    cases = tuple(_case(file.stem, file.read_text(encoding="utf-8"), optional) for file in files)
    signing = (head.get("signs", ""), tuple(head.get("key", ("", ""))))
    return Contract(tuple(head["credentials"]), optional, head["headers"], cases, *signing)


def _case(name: str, text: str, optional: frozenset[str]) -> Case:
    body = json.loads(text)
    return Case(name, body["about"], optional & {found[1] for found in _NAMED.finditer(text)}, tuple(body["steps"]))


def compare(expected: Any, found: Any, where: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Yield (where, expected, found) for each difference; the order of keys does not matter."""
    if isinstance(expected, str) and (matches := _matcher(expected)):
        if not matches(found):
            yield where, expected, found
    elif isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = expected.keys() - {"..."}
        for name in sorted(names - found.keys()):
            yield f"{where}.{name}", expected[name], "(missing)"
        for name in sorted(found.keys() - names) if "..." not in expected else ():
            yield f"{where}.{name}", "(nothing)", found[name]
        for name in sorted(names & found.keys()):
            yield from compare(expected[name], found[name], f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from compare(one, other, f"{where}[{place}]")
    elif expected != found or isinstance(expected, bool) != isinstance(found, bool):
        yield where, expected, found


def _unordered(answer: Any, places: Sequence[str]) -> list[tuple[str, Any, Any]]:  # noqa: ANN401
    """Return (where, expected, found) of each value that is not above the one before it."""
    values = [_at(answer, place) for place in places]
    pairs = zip(places[1:], values, values[1:], strict=False)
    return [(place, f"more than {low}", high) for place, low, high in pairs if high <= low]


def _matcher(expected: str) -> Callable[[Any], bool] | None:
    """Return the matcher with this name, if any; `<begins WORD>` matches texts that start with WORD."""
    if begins := _BEGINS.fullmatch(expected):
        return _fits(re.escape(begins[1]) + ".*")
    return MATCHERS.get(expected)


def _at(answer: Any, place: str) -> Any:  # noqa: ANN401
    """Return the value at a place such as `data.faces.0.faceId`."""
    for name in place.split("."):
        answer = answer[int(name)] if isinstance(answer, list) else answer[name]
    return answer
