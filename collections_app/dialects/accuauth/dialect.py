"""The AccuAuth dialect."""

from typing import Any

from rest_framework.serializers import Serializer

from collections_app.dialects.accuauth import wire
from collections_app.dialects.descriptor import FACE, Credentials, Dialect, Exchange, Setting
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult

_MATCHES = 5


def _search(result: SearchResult, setting: Setting) -> Exchange:
    threshold = wire.share(result.record.applied.score)
    fields = {"image_base64": FACE, "threshold": threshold, "start_time": 0, "topN": _MATCHES}
    return Exchange("search_face", {"name": result.collection.name, **fields}, _answer(wire.Found, result, setting))


def _enrol(result: Enrolment, setting: Setting) -> Exchange:
    body = {"name": result.collection.name, "image_base64": FACE}
    return Exchange("add_face", body, _answer(wire.Added, result, setting))


def _answer(shape: type[Serializer[Any]], result: object, setting: Setting) -> object:
    return shape(result, context={"request_id": wire.request_number(setting.request_id)}).data


DIALECT = Dialect(
    name="accuauth",
    label="AccuAuth",
    title="AccuAuth faceset v2",
    prefix="faceset/v2/",
    ways=(
        {
            "Id": {"type": "apiKey", "in": "header", "name": "X-DF-API-ID"},
            "Secret": {"type": "apiKey", "in": "header", "name": "X-DF-API-SECRET"},
        },
    ),
    credentials=Credentials(headers={"X-DF-API-ID": "id", "X-DF-API-SECRET": "secret"}),
    previews={"search": _search, "enrol": _enrol},
    threshold=wire.THRESHOLD,
)
