"""The console, the API and every link work under a path, whether a proxy keeps or strips it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
import urllib3

from tests.processes import environment, manage, prepare, web_server

PREFIX = "/faceplane"
_MEMBER = """
from django.contrib.auth.models import User
from tenants.models import Member, Tenant
user = User.objects.create_user("ada", "ada@example.com", "correct horse battery")
Member.unscoped.create(tenant=Tenant.objects.get(), user=user, role="owner")
"""
_LINK = re.compile(r'(?:href|src|action|hx-get|hx-post|data-from-url)="([^"]*)"')
_POSTED = re.compile(r"/(?:logout|language)/")


class _Browser:
    """A client with cookies that follows no redirects."""

    def __init__(self, base: str) -> None:
        """Keep the server's address."""
        self._http, self._base, self.cookies = urllib3.PoolManager(retries=False, timeout=60), base, {}  # type: ignore[var-annotated]

    def __call__(self, path: str, **fields: str) -> urllib3.BaseHTTPResponse:
        """Get, or post a form."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, (value, _) in self.cookies.items())}
        method = "POST" if fields else "GET"
        if fields:
            fields["csrfmiddlewaretoken"] = self.cookies["csrftoken"][0]
        answer = (
            self._http.request(
                method,
                self._base + path,
                fields=fields or None,
                headers=headers,
                redirect=False,
                encode_multipart=False,
            )
            if fields
            else self._http.request(method, self._base + path, headers=headers, redirect=False)
        )
        for cookie in answer.headers.getlist("Set-Cookie"):
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0], cookie
        return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server under a path, and a key."""
    env = environment(tmp_path_factory.mktemp("prefix"), PUBLIC_URL=f"http://localhost{PREFIX}/")
    key = prepare(env, acme="people")["acme"]
    manage(env, "shell", "--verbosity", "0", "-c", _MEMBER)
    manage(env, "collectstatic", "--noinput", "--verbosity", "0")
    with web_server(env, workers=1) as (url, _):
        yield url, key


def test_every_link_of_the_console_lies_under_the_path_and_leads_somewhere(served: tuple[str, str]) -> None:
    browse = _Browser(served[0])
    answer = browse(f"{PREFIX}/account/login/")
    answer = browse(f"{PREFIX}/account/login/", username="ada", password="correct horse battery")  # noqa: S106
    assert answer.status in {302, 303}
    assert {"sessionid", "csrftoken"} <= browse.cookies.keys()
    assert all(f"Path={PREFIX}" in whole for _, whole in browse.cookies.values())
    waiting, seen = [answer.headers["Location"]], set[str]()
    while waiting:
        path = waiting.pop()
        assert path.startswith(f"{PREFIX}/"), path
        if path in seen or _POSTED.search(path):
            continue
        seen.add(path)
        answer = browse(path)
        if answer.status in {301, 302}:
            waiting.append(answer.headers["Location"])
            continue
        assert answer.status in {200, 405}, (path, answer.status)
        if answer.headers.get("Content-Type", "").startswith("text/html") and len(seen) < 200:
            links = [
                urldefrag(urljoin(path, one.replace("&amp;", "&")))[0] for one in _LINK.findall(answer.data.decode())
            ]
            waiting += [one for one in links if not one.startswith(("http", "blob:", "data:", "mailto:"))]
    assert any("/static/" in path for path in seen)
    assert len(seen) > 25


def test_the_api_and_its_document_name_the_path(served: tuple[str, str]) -> None:
    url, key = served
    http = urllib3.PoolManager(retries=False)
    for prefix in (PREFIX, ""):  # kept or stripped by a proxy
        answer = http.request("GET", f"{url}{prefix}/api/v1/collections/none", headers={"x-api-key": key})
        assert json.loads(answer.data)["type"] == f"{PREFIX}/api/v1/problems#collection_not_found"
        document = json.loads(http.request("GET", f"{url}{prefix}/docs/native/openapi.json").data)
        assert document["servers"] == [{"url": f"{PREFIX}/api/v1"}]
        assert http.request("GET", f"{url}{prefix}/healthz").status == 200
        assert (
            http.request("GET", f"{url}{prefix}/faces?collectionId=people&page=1", headers={"x-api-key": key}).status
            == 200
        )
    rebuild = http.request("POST", f"{url}{PREFIX}/api/v1/collections/people/index/rebuild", headers={"x-api-key": key})
    assert rebuild.headers["Location"].startswith(f"{PREFIX}/api/v1/jobs/")


def test_an_unwritable_folder_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    env = environment(tmp_path) | {"DATA_DIR": str(tmp_path / "file" / "data")}
    with pytest.raises(AssertionError, match=r"DATA_DIR is .*: Not a directory\. Set DATA_DIR to a folder"):
        manage(env, "check")
