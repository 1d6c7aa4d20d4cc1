"""The Argos Face ID dialect."""

from collections_app.dialects.argos import wire
from collections_app.dialects.descriptor import FACE, Credentials, Dialect, Exchange, Setting
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult


def _search(result: SearchResult, setting: Setting) -> Exchange:
    request_name = result.record.request_name
    body = {"collectionId": result.collection.name, "requestName": request_name, "faceImage": FACE}
    return Exchange("search", body, wire.FoundFaces(result).data)


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    name = result.faces[0].person.name
    body = {"collectionId": result.collection.name, "userName": name, "faceImage": FACE}
    return Exchange("faces", body, wire.AddedFace(result).data)


DIALECT = Dialect(
    name="argos",
    label="Argos Face ID",
    title="Argos Face ID",
    prefix="",  # served at the root (decision A16)
    ways=({"Key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},),
    credentials=Credentials(headers={"x-api-key": "key"}),
    previews={"search": _search, "enrol": _enrol},
)
