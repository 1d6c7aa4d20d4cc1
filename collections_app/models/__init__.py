"""Collections with their policy, the people and faces in them, and the records of requests about them."""

from collections_app.models.bucket import Bucket
from collections_app.models.collection import MOST_DAYS, MOST_FACES, Collection
from collections_app.models.face import Face, NearMatch
from collections_app.models.fields import new_alias, new_uuid
from collections_app.models.jobs import BulkJob, JobFile, JobUnit
from collections_app.models.model_change import ModelChange
from collections_app.models.person import BarredReference, Person
from collections_app.models.records import (
    AnsweredFace,
    HealthReport,
    JudgedMatch,
    KeyedRequest,
    LivenessChallenge,
    Receipt,
    SearchRecord,
    SeenFrame,
)

__all__ = [
    "MOST_DAYS",
    "MOST_FACES",
    "AnsweredFace",
    "BarredReference",
    "Bucket",
    "BulkJob",
    "Collection",
    "Face",
    "HealthReport",
    "JobFile",
    "JobUnit",
    "JudgedMatch",
    "KeyedRequest",
    "LivenessChallenge",
    "ModelChange",
    "NearMatch",
    "Person",
    "Receipt",
    "SearchRecord",
    "SeenFrame",
    "new_alias",
    "new_uuid",
]
