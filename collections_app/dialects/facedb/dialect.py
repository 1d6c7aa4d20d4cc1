"""The dialect of NEXTK's face database."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from collections_app.dialects.descriptor import FACE, Credentials, Dialect, Exchange, Profiles, Setting
from collections_app.dialects.facedb.wire import v2 as wire
from collections_app.operations.data_subject import PersonRecord
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import PersonMatch, SearchResult

_LEFT_OUT = "…"  # stands for the stored images that the contract returns with a match


def _search(result: SearchResult, setting: Setting) -> Exchange:
    node, best = result.collection, next(iter(result.matches), None)
    found: Any = PersonMatch(PersonRecord(node, best.face.person, ()), best.score) if best else {}
    kept = {"faceImages": [_LEFT_OUT]} if best and node.images == "original" else {}
    return Exchange(
        "v2/va/matching-face", {"nodeId": node.alias, "faceImages": [FACE]}, {**wire.Matched(found).data, **kept}
    )


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    person = result.faces[0].person
    fields = {"userId": person.name, "userName": person.name, "userAge": 0, "gender": 0, "identifier": 0}
    body = {"nodeId": result.collection.alias, **fields, "faceImages": [FACE]}
    return Exchange("v2/va/register-facedb", body, wire.Registered(person).data)


DIALECT = Dialect(
    name="facedb",
    label="NEXTK facedb",
    title="NEXTK face database",
    prefix="",
    roots=("v2/va", "v3/va"),
    ways=({"Basic": {"type": "http", "scheme": "basic"}},),
    credentials=Credentials(basic=True),
    previews={"search": _search, "enrol": _enrol},
    profiles=Profiles(  # decision N3
        label=_("Error codes of NEXTK facedb"),
        help=_("The vendor's C# client counts two codes further than its documents."),
        choices=(("documents", _("As in the documents")), ("client", _("As in the vendor's client"))),
    ),
)
