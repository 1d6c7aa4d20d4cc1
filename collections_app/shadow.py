"""Shadow mode: a vendor's recorded traffic, sent to another server of the same contract and compared answer by answer.

A recording is a HAR file, as proxies and browsers write it, or JSON lines: `{"request": {"method", "url", "headers",
"body"}, "response": {"status", "body"}, "ms"}`, where `body_base64` may stand for `body`. Only operations that find or
compare are sent; nothing is enrolled or deleted. Nothing is kept but the report. This module knows HTTP and the
dialects' descriptions and paths, and no other part of the product.
"""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from django.urls import Resolver404, resolve

from collections_app.dialects.descriptor import Dialect, Verdict

_SECONDS = 60.0  # of one request
_SENT = frozenset({"accept", "accept-language", "content-type"})  # all other headers were the vendor's client's own
_UNREAD = "\ufffd"  # stands where a proxy wrote bytes as text
_MOST_SHOWN = 1_000  # differences that a report lists
SHARES = (50, 95, 99)


class Unreadable(Exception):
    """The recording cannot be read."""

    def __init__(self, file: Path, problem: str) -> None:
        """Keep the file, and what is wrong with it in words."""
        super().__init__(file, problem)
        self.file = file
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request to the vendor, with the answer and the milliseconds that it took."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    answer: Any
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Both answers to a request: `outcome` says in one word how they relate."""

    number: int
    outcome: str
    vendor: Verdict
    ours: Verdict
    milliseconds: tuple[float, float]


@dataclass(slots=True)
class Report:
    """The results of a recording. `left_out` counts the entries that were not sent, by reason."""

    compared: list[Compared] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the requests about which the answers differ."""
        outcomes: dict[str, Counter[str]] = {}
        for one in self.compared:
            outcomes.setdefault(one.vendor.operation, Counter())[one.outcome] += 1
        differing = [one for one in self.compared if one.outcome not in AGREE]
        times = [[one.milliseconds[side] for one in self.compared] for side in range(2)]
        return {
            "requests": len(self.compared),
            "agree": len(self.compared) - len(differing),
            "left_out": dict(self.left_out),
            "outcomes": {operation: dict(counts) for operation, counts in sorted(outcomes.items())},
            "milliseconds": {
                who: {f"p{share}": _percentile(took, share) for share in SHARES}
                for who, took in zip(("vendor", "ours"), times, strict=True)
            },
            "differences": [_shown(one) for one in differing[:_MOST_SHOWN]],
            "differences_left_out": max(0, len(differing) - _MOST_SHOWN),
        }


AGREE = frozenset({"same person", "both match", "both find nobody", "both refuse"})
OUTCOMES = {
    "same person": "both found the same person first",
    "both match": "both matched, and the contract names nobody",
    "both find nobody": "neither found anybody",
    "both refuse": "both refused the request",
    "other person": "both found somebody, but not the same person first",
    "only vendor matches": "the vendor found somebody, we did not",
    "only we match": "we found somebody, the vendor did not",
    "only vendor refuses": "the vendor refused the request, we answered",
    "only we refuse": "we refused the request, the vendor answered",
    "we failed": "our server did not answer",
}


@dataclass(slots=True)
class Run:
    """One run of a recording against a server.

    `thresholds`: the similarity from which clients of the vendor, and of us, take a match, where the answers do not
    decide; `people` translates the vendor's names of people into ours.
    """

    dialect: Dialect
    base_url: str
    credentials: Mapping[str, str]
    thresholds: tuple[float, float] = (0.0, 0.0)
    people: Mapping[str, str] = field(default_factory=dict)
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=_SECONDS))

    def report(self, recording: Iterator[Recorded | str]) -> Report:
        """Send what can be compared and compare it, in the order of the recording."""
        report = Report()
        for number, one in enumerate(recording, start=1):
            if isinstance(one, str):
                report.left_out[one] += 1
                continue
            vendor = self._verdict(one, one.answer)
            if vendor is None:
                report.left_out["another operation"] += 1
                continue
            named = tuple((self.people.get(who, who), score) for who, score in vendor.found)
            vendor = _from(replace(vendor, found=named), self.thresholds[0])
            began = time.perf_counter()
            ours = _from(self._ask(one, vendor.operation), self.thresholds[1])
            took = (time.perf_counter() - began) * 1000
            outcome = _outcome(vendor, ours)
            report.compared.append(Compared(number, outcome, vendor, ours, (one.milliseconds, took)))
        return report

    def _verdict(self, one: Recorded, answer: Any) -> Verdict | None:  # noqa: ANN401 -- JSON
        """Read an answer; None: the operation is not compared, or the answer is none of this contract."""
        headers = {name.lower(): value for name, value in one.headers.items()}
        operation = headers.get(self.dialect.operation_header.lower(), "") or self._below(one.url)
        read = self.dialect.verdict
        try:
            return read(operation, answer) if read else None
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def _below(self, url: str) -> str:
        """Return the path of a URL below the dialect's prefix."""
        path = urlsplit(url).path
        return path.partition(f"/{self.dialect.prefix}")[2] if self.dialect.prefix else path.lstrip("/")

    def _ask(self, one: Recorded, operation: str) -> Verdict:
        """Send a request with our credentials in place of the vendor's."""
        header = self.dialect.operation_header.lower()
        headers = {name: value for name, value in one.headers.items() if name.lower() in _SENT | {header}}
        key_id, secret = self.credentials["id"], self.credentials["secret"]
        url = self.base_url + self._path(one.url, key_id)
        placed = self.dialect.credentials
        headers |= placed.sent(key_id, secret, method=one.method, url=url, headers=headers, body=one.body)
        try:
            answer = self.http.request(one.method, url, body=one.body or None, headers=headers)
            body = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError):
            return Verdict(operation, code=FAILED)
        return self._verdict(one, body) or Verdict(operation, code=f"HTTP {answer.status}")

    def _path(self, url: str, key_id: str) -> str:
        """Return the path and query here: with our prefix, and our key's id where the vendor's stood."""
        below = "" if self.dialect.operation_header else self._below(url)
        path, query = f"/{self.dialect.prefix}{below}", urlsplit(url).query
        with suppress(Resolver404):
            if theirs := resolve(path).kwargs.get(self.dialect.credentials.path):
                path = path.replace(f"/{theirs}/", f"/{key_id}/", 1)
        return path + (f"?{query}" if query else "")


FAILED = "no answer"


def read(file: Path) -> Iterator[Recorded | str]:
    """Yield the entries of a recording; for one that cannot be sent, why.

    Raises:
        Unreadable: the file is neither HAR nor JSON lines.
    """
    try:
        with file.open(encoding="utf-8") as text:
            first = text.readline()
            lines = _is_line(first)
            text.seek(0)
            entries = (json.loads(line) for line in text if line.strip()) if lines else iter(_har(json.load(text)))
            for entry in entries:
                yield _of_line(entry) if lines else _of_har(entry)
    except OSError as error:
        raise Unreadable(file, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Unreadable(file, "is neither a HAR file nor JSON lines") from None


def _is_line(text: str) -> bool:
    try:
        return "request" in json.loads(text)
    except (ValueError, TypeError):
        return False


def _har(whole: Any) -> list[Any]:  # noqa: ANN401 -- JSON
    try:
        return list(whole["log"]["entries"])
    except (KeyError, TypeError):
        raise ValueError("log") from None


def _of_line(entry: Any) -> Recorded | str:  # noqa: ANN401 -- JSON
    try:
        request, response = entry["request"], entry["response"]
        return Recorded(
            str(request["method"]),
            str(request["url"]),
            dict(request["headers"]),
            _content(request),
            json.loads(_content(response)),
            float(entry.get("ms", 0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return "an entry that is not as it should be"


def _content(part: Mapping[str, Any]) -> bytes:
    packed = part.get("body_base64")
    return str(part.get("body") or "").encode() if packed is None else base64.b64decode(packed, validate=True)


def _of_har(entry: Any) -> Recorded | str:  # noqa: ANN401 -- JSON
    try:
        request, response = entry["request"], entry["response"]
        headers = {one["name"]: one["value"] for one in request["headers"]}
        posted = request.get("postData") or {}
        text = posted.get("text") or ""
        if _UNREAD in text:
            return "its body was recorded as text: record it as JSON lines"
        body = base64.b64decode(text) if posted.get("encoding") == "base64" else text.encode()
        content = response["content"]
        answer = content.get("text") or ""
        answer = base64.b64decode(answer).decode() if content.get("encoding") == "base64" else answer
        return Recorded(
            request["method"], request["url"], headers, body, json.loads(answer), float(entry.get("time", 0))
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return "an entry that is not as it should be"


def _from(verdict: Verdict, threshold: float) -> Verdict:
    """Leave out what is less similar than a threshold; what has no similarity stays."""
    return replace(verdict, found=tuple(one for one in verdict.found if one[1] is None or one[1] >= threshold))


def _outcome(vendor: Verdict, ours: Verdict) -> str:
    if ours.code == FAILED:
        return "we failed"
    if vendor.code or ours.code:
        return _either(vendor.code, ours.code, "only vendor refuses", "only we refuse") or "both refuse"
    if not vendor.found and not ours.found:
        return "both find nobody"
    if one_sided := _either(vendor.found, ours.found, "only vendor matches", "only we match"):
        return one_sided
    theirs, mine = vendor.found[0][0], ours.found[0][0]
    return "both match" if not theirs else "same person" if theirs == mine else "other person"


def _either(theirs: object, mine: object, only_theirs: str, only_mine: str) -> str:
    return "" if theirs and mine else only_theirs if theirs else only_mine


def _shown(one: Compared) -> dict[str, Any]:
    def side(verdict: Verdict) -> dict[str, Any]:
        who, score = verdict.found[0] if verdict.found else ("", None)
        return {"code": verdict.code, "person": who, "similarity": score}

    return {
        "number": one.number,
        "operation": one.vendor.operation,
        "outcome": one.outcome,
        "vendor": side(one.vendor),
        "ours": side(one.ours),
    }


def _percentile(values: list[float], share: int) -> float | None:
    """Return the percentile by nearest rank; None: there are no values."""
    return round(sorted(values)[max(0, -(-len(values) * share // 100) - 1)], 1) if values else None
