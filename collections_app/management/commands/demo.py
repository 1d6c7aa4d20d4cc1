"""manage.py demo prepare: make a tenant with sample people, for `make run`; demo try: test it, for `make demo`.

The portraits are in collections_app/samples, with their credits.
"""

import base64
import json
import secrets
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from collections_app.operations.collections import create_collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.samples import SAMPLES
from tenants import keys
from tenants.access import USUAL_SCOPES, system
from tenants.lifecycle import create_tenant
from tenants.models import Member, Tenant

SLUG, COLLECTION = "demo", "people"
PEOPLE = {"Emmanuel Macron": "macron_2025.jpg", "Jacinda Ardern": "ardern_2018.jpg", "Rishi Sunak": "sunak.jpg"}
WELCOME = """
Faceplane is at {{url}}

  console       {{url}}/console/   login {user}   password {password}
  operator      {{url}}/operator/  the same login
  API key       {key}

Who is this? Paste:

  (printf '{{"collectionId":"{collection}","requestName":"demo","faceImage":"'
   base64 < {probe} | tr -d '\\n'; printf '"}}') \\
    | curl -s {{url}}/search -H 'x-api-key: {key}' -H 'Content-Type: application/json' -d @-

Stop with Ctrl-C.
"""


class Command(BaseCommand):
    """The demonstration tenant."""

    help = "Make the demonstration tenant, or try it against the running server."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the action."""
        parser.add_argument("action", choices=("prepare", "try"))
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the server is, for `try`")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if options["action"] == "prepare":
            self._prepare()
        else:
            self._try(options["url"])

    def _prepare(self) -> None:
        """Make the tenant, unless it exists; write its credentials beside the database, readable by the owner only."""
        if Tenant.objects.filter(slug=SLUG).exists():
            return
        tenant = create_tenant(SLUG, "Demonstration")
        caller = system(tenant, "demo")
        create_collection(caller, name=COLLECTION, images="crop")
        for name, file in PEOPLE.items():
            image = (SAMPLES / file).read_bytes()
            enrol_face(caller, collection=COLLECTION, image=image, person=PersonDetails(name=name))
            self.stdout.write(f"Enrolled {name}.")
        password = secrets.token_urlsafe(12)
        user = User.objects.create_superuser("operator", password=password)
        Member.unscoped.create(tenant=tenant, user=user, role=Member.Role.OWNER)
        key = keys.issue(tenant, name="demo", scopes=USUAL_SCOPES).token
        probe = (SAMPLES / "macron_2014.jpg").relative_to(settings.BASE_DIR)
        text = WELCOME.format(user=user, password=password, key=key, collection=COLLECTION, probe=probe)
        _write(settings.DATA_DIR / "demo.json", json.dumps({"key": key}))
        _write(settings.DATA_DIR / "welcome.txt", text)

    def _try(self, url: str) -> None:
        """Enrol a portrait over HTTP, search for enrolled people and for a stranger, and delete the face."""
        try:
            key = json.loads((settings.DATA_DIR / "demo.json").read_text(encoding="utf-8"))["key"]
        except FileNotFoundError:
            message = "There is no demonstration tenant yet: start the server with `make run` first."
            raise CommandError(message) from None
        client = _Client(url, key)
        added = client.post("/faces", userName="Jacinda Ardern", faceImage=_encoded("ardern_2022.jpg"))
        self.stdout.write(f"Enrolled ardern_2022.jpg as face {added['faceId']}.")
        for file, expected in (
            ("macron_2014.jpg", "Emmanuel Macron"),
            ("ardern_2022.jpg", "Jacinda Ardern"),
            ("obama.jpg", None),
        ):
            found = client.post("/search", requestName=file, faceImage=_encoded(file))
            threshold = found["option"]["policy_similarity"]
            self.stdout.write(f"Searched {file} (threshold {threshold}):")
            for match in found["result"]:
                self.stdout.write(f"  {match['user_name']:<20} {match['similarity_score']:7.3f}")
            names = {match["user_name"] for match in found["result"]}
            if names != ({expected} if expected else set()):
                message = f"{file} should find {expected or 'nobody'} and found {names or 'nobody'}."
                raise CommandError(message)
            if not names:
                self.stdout.write("  nobody: a stranger")
        client.delete("/faces", faceId=added["faceId"])
        self.stdout.write("Deleted the enrolled face again. Everything as it should be.")


class _Client:
    """A vendor's client in ten lines."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key

    def post(self, path: str, **body: str) -> Any:
        data = json.dumps({"collectionId": COLLECTION, **body}).encode()
        return self._send(urllib.request.Request(self._url + path, data, method="POST"))  # noqa: S310 -- the operator's own server

    def delete(self, path: str, **query: str) -> Any:
        pairs = "&".join(f"{name}={value}" for name, value in {"collectionId": COLLECTION, **query}.items())
        return self._send(urllib.request.Request(f"{self._url}{path}?{pairs}", method="DELETE"))  # noqa: S310

    def _send(self, request: urllib.request.Request) -> Any:
        request.add_header("x-api-key", self._key)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            message = f"{request.method} {request.full_url} answered {error.code}: {error.read().decode()}"
            raise CommandError(message) from None
        except urllib.error.URLError as error:
            message = f"No server at {self._url} ({error.reason}); start it with `make run`."
            raise CommandError(message) from None


def _encoded(file: str) -> str:
    return base64.b64encode((SAMPLES / file).read_bytes()).decode()


def _write(file: Path, content: str) -> None:
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")
