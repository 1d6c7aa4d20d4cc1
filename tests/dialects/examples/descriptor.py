"""What the tests over every dialect know of each: examples of its requests, and how to read its answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from collections_app.models import Person
from tenants.keys import IssuedKey
from tests.conftest import Customer
from tests.make import base64_of, blank, portrait
from tests.world import Ids

IMAGE = base64_of(portrait("obama"))
# Images for the fuzz test, the first one most often: as files of a form, and as the text of a JSON body.
FORM, FILES = "multipart/form-data", [portrait("macron_2014"), blank()]
TEXT = [base64_of(file) for file in FILES]

Json: TypeAlias = dict[str, Any]
Names: TypeAlias = frozenset[str]
# Given a case of schemathesis and how to draw from a strategy, the values for the images of the case, by field.
Images: TypeAlias = Callable[[Any, Callable[[Any], Any]], Mapping[str, list[Any]]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `filled` says what stands for what in it. Without a body it sends none.

    `#HEADER=VALUE` at the end of the path is sent as that header.
    """

    method: str
    path: str
    body: Json = field(default_factory=dict)

    def filled(self, key: str, alias: str) -> tuple[str, bytes]:
        """Return the path and the content of the body (empty if it has none), with the key's id and the alias."""
        content = json.dumps(self.body) if self.body else ""
        return filled(self.path, key, alias), filled(content, key, alias).encode()


def filled(text: str, key: str, alias: str) -> str:
    """Return an example's text with the key's id and the alias of the collection "people"."""
    return text.replace("{key}", key).replace("{alias}", alias)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """A dialect's examples. An operation is named as in the URL configuration: its method and its route."""

    label: str  # in the console
    actions: Names = frozenset({"detect", "compare", "search", "enrol"})  # of the playground that show it

    # Isolation
    body: Callable[[Ids], Json]  # with every field of every operation
    bodies: Mapping[str, Callable[[Ids], Any]] = field(default_factory=dict)  # of operations that it does not fit
    strict: bool = False  # unknown fields are refused
    queries: bool = False  # requests with a body have parameters of the query as well
    without_id: Names = frozenset()  # they tell of the caller's own, or make something new
    inner_ids: Names = frozenset()  # their query or body has an id within a collection
    unknown_is_no_error: Names = frozenset()  # they answer to an unknown id with nothing, and no error
    makes_a_collection: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # with status and word of a refusal

    # Requests
    add: Call  # adds or matches a face
    optional: Json  # the optional fields of its body, with null
    reads: tuple[str, ...] = ()  # paths of lists that a GET reads
    takes_json: str  # a path to which JSON is posted
    with_image: Callable[[str], Call]  # a call with this text in the place of an image
    usual: Mapping[str, Call]  # a reading and a writing call, by what they do
    any_format: bool = False  # its documents do not forbid the image formats of phones and browsers
    search: Callable[[Customer, IssuedKey, str], Any]  # searches the portrait of this name; returns the answers
    looks_below: bool = False  # it asks below the floor, with the key that it is given

    # Answers
    nobody: Callable[[Json], bool]  # tells an answer to a search that found nobody
    scores: Names  # the fields of a similarity
    scale: int = 1  # what makes whole points of it
    code: Callable[[Json], object]  # reads what distinguishes answers
    refused: frozenset[object]  # its values without a valid key
    failed: object  # its value for a failure of the server
    later: tuple[int, frozenset[object]]  # status and values while the service is unavailable
    request_id: str = ""  # the field of the request's id
    words: Names = frozenset()  # the fields of a refusal's texts
    own: Names = frozenset()  # the fields of ids and times, which differ from answer to answer

    # Fuzz: existing values that replace most generated ones; otherwise no request would pass the validation of its form
    images: Images
    known: Callable[[Customer, Person], dict[str, str]]  # by parameter or field, given somebody in "people"
