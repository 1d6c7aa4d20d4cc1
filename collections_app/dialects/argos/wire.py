"""The bodies of Argos Face ID, in the vendor's field order and spellings."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.base import Answer
from collections_app.dialects.openapi import Always, Base64Image, Text, example
from collections_app.models import Face
from collections_app.operations.budget import Match
from collections_app.operations.enrol import Enrolment
from collections_app.operations.search import SearchResult

_LONGEST = 255
_SCORE_DIGITS = 3


class FaceImage(Base64Image):
    """An image in base64, bare or as a data URI (decision A11)."""

    def undecoded(self) -> bytes:
        """Treat invalid base64 as an empty image, which the decoder refuses (decisions A7, A18)."""
        return b""


@example({"errorCode": 6040, "message": "Access Denied: API Key is unavailable."})
class Refusal(serializers.Serializer[Answer]):
    """The answer to a failure."""

    errorCode = serializers.IntegerField(source="code")
    message = serializers.CharField(source="text")


@example(
    {
        "collectionId": "col_123456789",
        "userName": "John Doe",
        "faceImage": "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQ...",
    }
)
class AddFace(serializers.Serializer[Any]):
    """POST /faces."""

    collectionId = serializers.CharField()
    userName = Text()
    faceImage = FaceImage()


class AddOption(serializers.Serializer[Any]):
    """The liveness policy of an enrolment. A search spells the score's key differently (contract 1.4)."""

    option_liveness = serializers.BooleanField(source="collection.liveness_on_enrol")
    liveNess_threshold = serializers.SerializerMethodField()
    livenessScore = serializers.SerializerMethodField()

    def get_liveNess_threshold(self, done: Enrolment) -> float:
        """The collection's threshold, 0 to 100."""
        return percent(done.collection.liveness_threshold)

    def get_livenessScore(self, done: Enrolment) -> float:
        """The measured score, 0 to 100; 0 if liveness is off."""
        return percent(done.faces[0].liveness)


@example(
    {
        "message": "Face added successfully",
        "faceId": "face_123456789",
        "metaFaceId": "meta_123456789",
        "option": {"option_liveness": True, "liveNess_threshold": 50.0, "livenessScore": 97.78},
    }
)
class AddedFace(serializers.Serializer[Any]):
    """The answer to POST /faces."""

    message = Always("Face added successfully")
    faceId = serializers.SerializerMethodField()
    metaFaceId = serializers.SerializerMethodField()
    option = AddOption(source="*")

    def get_faceId(self, done: Enrolment) -> str:
        """The face's UUID."""
        return done.faces[0].uuid

    def get_metaFaceId(self, done: Enrolment) -> str:
        """The person's id (decision A15)."""
        return str(done.faces[0].person_id)


class ListFaces(serializers.Serializer[Any]):
    """GET /faces."""

    collectionId = serializers.CharField()
    term = serializers.CharField(min_length=5, required=False)
    page = serializers.IntegerField(min_value=1, max_value=10**9)


class ListedFace(serializers.Serializer[Any]):
    """A face of a list; the contract has snake_case only here."""

    collection_id = serializers.CharField(source="collection.name")
    face_id = serializers.CharField(source="uuid")
    user_name = serializers.CharField(source="person.name")
    create_time = serializers.DateTimeField(source="created_at")
    meta_face_id = serializers.SerializerMethodField()

    def get_meta_face_id(self, face: Face) -> str:
        """The person's id."""
        return str(face.person_id)


@example(
    {
        "message": "success",
        "result": [
            {
                "collection_id": "col_123456789",
                "face_id": "face_123456789",
                "user_name": "John Doe",
                "create_time": "2024-01-01T00:00:00Z",
                "meta_face_id": "meta_123456789",
            }
        ],
        "totalCount": 1,
    }
)
class FaceList(serializers.Serializer[Any]):
    """The answer to GET /faces."""

    message = Always("success")
    result = ListedFace(source="faces", many=True)
    totalCount = serializers.IntegerField(source="total")


class DeleteFace(serializers.Serializer[Any]):
    """DELETE /faces."""

    collectionId = serializers.CharField()
    faceId = serializers.CharField()


@example({"message": "Success"})
class DeletedFace(serializers.Serializer[Any]):
    """The answer to DELETE /faces."""

    message = Always("Success")


@example({"collectionId": "string", "requestName": "string", "faceImage": "string"})
class SearchFace(serializers.Serializer[Any]):
    """POST /search. The name may come as requestName or as userName (decision A2)."""

    collectionId = serializers.CharField()
    requestName = serializers.CharField(max_length=_LONGEST)
    faceImage = FaceImage()

    def to_internal_value(self, data: Any) -> Any:
        """Use userName if requestName is missing."""
        if isinstance(data, dict) and not data.get("requestName") and "userName" in data:
            data = {**data, "requestName": data["userName"]}
        return super().to_internal_value(data)


class SearchOption(serializers.Serializer[Any]):
    """The policy that a search was answered with."""

    option_liveness = serializers.BooleanField(source="collection.liveness_on_search")
    liveNess_threshold = serializers.SerializerMethodField()
    liveNessScore = serializers.SerializerMethodField()
    policy_similarity = serializers.SerializerMethodField()

    def get_liveNess_threshold(self, found: SearchResult) -> float:
        """The collection's threshold, 0 to 100."""
        return percent(found.collection.liveness_threshold)

    def get_liveNessScore(self, found: SearchResult) -> float:
        """The measured score, 0 to 100; 0 if liveness is off."""
        return percent(found.record.liveness)

    def get_policy_similarity(self, found: SearchResult) -> float:
        """The threshold that was applied, 0 to 100."""
        return round(found.record.applied.score, _SCORE_DIGITS)


class FoundFace(serializers.Serializer[Any]):
    """A face that matches, with name and score."""

    face_id = serializers.CharField(source="face.uuid")
    user_name = serializers.CharField(source="face.person.name")
    similarity_score = serializers.SerializerMethodField()

    def get_similarity_score(self, match: Match) -> float:
        """How similar it is, 0 to 100."""
        return round(match.score, _SCORE_DIGITS)


@example(
    {
        "message": "success",
        "searchId": "string",
        "requestName": "string",
        "userName": "string",
        "option": {
            "option_liveness": True,
            "liveNess_threshold": 50.0,
            "liveNessScore": 97.78,
            "policy_similarity": 80.0,
        },
        "faceIdList": ["string"],
        "result": [],
    }
)
class FoundFaces(serializers.Serializer[Any]):
    """The answer to POST /search: the fields of its guide, and `result` with the scores (decision A3)."""

    message = Always("success")
    searchId = serializers.CharField(source="record.uuid")
    requestName = serializers.CharField(source="record.request_name")
    userName = serializers.CharField(source="record.request_name")
    option = SearchOption(source="*")
    faceIdList = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()

    def get_faceIdList(self, found: SearchResult) -> list[str]:
        """The matching faces, best first."""
        return [match.face.uuid for match in found.matches]

    @extend_schema_field(FoundFace(many=True))
    def get_result(self, found: SearchResult) -> Any:
        """The matching faces with name and score."""
        return FoundFace(found.matches, many=True).data


def percent(share: float | None) -> float:
    """Convert a score of 0 to 1 to the contract's scale of 0 to 100."""
    return round(100 * (share or 0), _SCORE_DIGITS)
