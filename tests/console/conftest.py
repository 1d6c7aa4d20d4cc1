"""Members in each role, enrolled people, and a browser whose console messages fail the test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from collections_app.models import Collection
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.search import search_by_image
from tenants.models import Member
from tests import programs
from tests.conftest import Customer
from tests.make import portrait

PASSWORD = "correct horse battery"  # noqa: S105 -- of users who exist during one test
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session", autouse=True)
def _static_root() -> None:
    """Create the folder that WhiteNoise reads when the live server starts."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _files(settings: Any, tmp_path: Path) -> None:
    """Store images in a folder of the test; serve static files unhashed; allow many sign-ins."""
    settings.ATTEMPTS_PER_MINUTE = 10_000
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def member(customer: Customer, role: str) -> User:
    """Create a user with that role in the customer's tenant."""
    user = User.objects.create_user(f"{role}@{customer.tenant.slug}", f"{role}@example.com", PASSWORD)
    Member.unscoped.create(tenant=customer.tenant, user=user, role=role)
    return user


def signed_in(user: User) -> Client:
    """Return a client that is signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def crowd(acme: Customer) -> Collection:
    """Acme's people: Macron with two faces, Sunak, Obama, and Obama again under another name; images are stored."""
    Collection.objects.of(acme.tenant).update(images="crop")
    people = {
        "macron_2014": "Emmanuel Macron",
        "macron_2025": "Emmanuel Macron",
        "obama": "Barack Obama",
        "sunak": "Rishi Sunak",
    }
    for image, name in people.items():
        person = PersonDetails(reference=name.split()[1], name=name)
        enrol_face(acme.caller, collection="people", image=portrait(image), person=person)
    twin = PersonDetails(reference="twin", name="B. Obama")
    enrol_face(acme.caller, collection="people", image=portrait("obama"), person=twin)
    return acme.people


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Chromium. Playwright's loop runs in this thread, which Django would take for an asynchronous view."""
    executable = programs.chromium()
    assert executable, "The console's tests need Chromium: python -m tests.programs installs it"
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def _bad(message: ConsoleMessage, failing: bool) -> bool:  # noqa: FBT001 -- as `visit` has it
    """Return whether a console message fails the test; with `failing`, requests may fail."""
    return message.type in {"error", "warning"} and not (
        failing and message.text.startswith(("Failed to load resource", "htmx:", "Response Status"))
    )


@pytest.fixture
def visit(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Open a page in its own browser context; at the end no console may hold a message, CSP reports included."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(user: User | None = None, path: str = "/", *, failing: bool = False, **options: Any) -> Page:
        context = chromium.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        if user:
            session = signed_in(user).cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: complaints.append(message.text) if _bad(message, failing) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds on the page: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


def page_url(name: str, **where: Any) -> str:
    """Return the address of a page of Acme."""
    return reverse(f"console:{name}", kwargs={"tenant": "acme", **where})


def path_of(link: str) -> str:
    """Return the path of a link to this server."""
    assert link.startswith(f"{django_settings.PUBLIC_URL}/")
    return urlsplit(link).path


def recognised(acme: Customer, image: str) -> str:
    """Return whom a search finds for the face in an image."""
    found = search_by_image(acme.caller, collection="people", image=portrait(image))
    return str(found.matches[0].face.person)
