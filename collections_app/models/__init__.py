"""Collections with their policy, the people and faces in them, and the records of requests about them."""

from collections_app.models.bucket import Bucket
from collections_app.models.collection import MOST_DAYS, MOST_FACES, Collection
from collections_app.models.face import Face, NearMatch
from collections_app.models.fields import new_alias, new_uuid
from collections_app.models.person import BarredReference, Person
from collections_app.models.records import AnsweredFace, HealthReport, KeyedRequest, Receipt, SearchRecord

__all__ = [
    "MOST_DAYS",
    "MOST_FACES",
    "AnsweredFace",
    "BarredReference",
    "Bucket",
    "Collection",
    "Face",
    "HealthReport",
    "KeyedRequest",
    "NearMatch",
    "Person",
    "Receipt",
    "SearchRecord",
    "new_alias",
    "new_uuid",
]
