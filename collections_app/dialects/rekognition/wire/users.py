"""Users: named people of a collection.

Longer than 300 lines: seven operations with a request and an answer each, which share their shapes.
"""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from collections_app.dialects.rekognition.wire.base import (
    TOKEN,
    CollectionId,
    FaceId,
    FaceIds,
    Image,
    Json,
    PaginationToken,
    Percent,
    QualityFilter,
    Text,
    UserId,
    Whole,
    model_version,
    next_token,
    page,
)
from collections_app.dialects.rekognition.wire.faces import COMPARED, FACE, FaceDetail, detail
from collections_app.models import Person
from collections_app.operations.data_subject import PeoplePage
from collections_app.operations.named_people import Assignment
from collections_app.operations.search import SearchResult
from recognition.similarity import Threshold

LIST = "users"  # the list's name in its tokens
_STATUS = ("ACTIVE", "CREATED")  # UPDATING and CREATING never: every change is done when it is answered
_LIKE = 75.0  # the documented default of UserMatchThreshold for faces
_MOST = 500
_BYTES = {"Bytes": "/9j/4AAQSkZJRgABAQEAYABgAAD/2...."}
_NAMED = {"CollectionId": "people", "UserId": "ada"}
_MATCH = {"Similarity": 97.0, "User": {"UserId": "ada", "UserStatus": "ACTIVE"}}


@example(_NAMED)
class NamedUser(serializers.Serializer[Any]):
    """CreateUser, DeleteUser."""

    CollectionId = CollectionId()
    UserId = UserId()
    ClientRequestToken = Text(r"[a-zA-Z0-9-_]+", max_length=64, required=False)


@example({"CollectionId": "people", "MaxResults": 100})
class ListUsers(serializers.Serializer[Any]):
    """ListUsers."""

    CollectionId = CollectionId()
    NextToken = PaginationToken()
    MaxResults = Whole(min_value=1, max_value=_MOST, default=_MOST)


class User(serializers.Serializer[Any]):
    """A user; CREATED without faces, then ACTIVE."""

    UserId = serializers.CharField()
    UserStatus = serializers.ChoiceField(_STATUS)


@example({"Users": [{"UserId": "ada", "UserStatus": "ACTIVE"}], "NextToken": TOKEN})
class Users(serializers.Serializer[Any]):
    """The answer to ListUsers."""

    Users = User(many=True)
    NextToken = serializers.CharField(required=False)

    def to_representation(self, found: PeoplePage) -> Json:
        """Add the token of the next page."""
        last, name = found.people[-1:], self.context["collection"]
        token = next_token(last[0].tenant, last[0].pk, LIST, name) if found.more else None
        return super().to_representation(
            {"Users": [_user(one, len(one.faces.all())) for one in found.people], **page(token)}
        )


class _Faces(NamedUser):
    """What association and disassociation take."""

    FaceIds = FaceIds(max_length=100)


@example({**_NAMED, "FaceIds": [FACE["FaceId"]], "UserMatchThreshold": 75})
class AssociateFaces(_Faces):
    """AssociateFaces."""

    UserMatchThreshold = Percent(_LIKE)

    def validate_UserMatchThreshold(self, value: float) -> Threshold:
        """Convert it; the scales are the same."""
        return Threshold(value)


@example({**_NAMED, "FaceIds": [FACE["FaceId"]]})
class DisassociateFaces(_Faces):
    """DisassociateFaces."""


class OneFace(serializers.Serializer[Any]):
    """A face's id."""

    FaceId = serializers.CharField()


class UnsuccessfulFaceAssociation(serializers.Serializer[Any]):
    """A face that was not associated, and why."""

    FaceId = serializers.CharField()
    UserId = serializers.CharField(required=False)
    Confidence = serializers.FloatField(required=False)
    Reasons = serializers.ListField(
        child=serializers.ChoiceField(["FACE_NOT_FOUND", "ASSOCIATED_TO_A_DIFFERENT_USER", "LOW_MATCH_CONFIDENCE"])
    )


class UnsuccessfulFaceDisassociation(serializers.Serializer[Any]):
    """A face that was not disassociated, and why."""

    FaceId = serializers.CharField()
    UserId = serializers.CharField(required=False)
    Reasons = serializers.ListField(child=serializers.ChoiceField(["FACE_NOT_FOUND", "ASSOCIATED_TO_A_DIFFERENT_USER"]))


_UNSUCCESSFUL = {"FaceId": FACE["ImageId"], "Reasons": ["FACE_NOT_FOUND"]}


@example(
    {
        "AssociatedFaces": [{"FaceId": FACE["FaceId"]}],
        "UnsuccessfulFaceAssociations": [_UNSUCCESSFUL],
        "UserStatus": "ACTIVE",
    }
)
class Associated(serializers.Serializer[Any]):
    """The answer to AssociateFaces."""

    AssociatedFaces = OneFace(many=True)
    UnsuccessfulFaceAssociations = UnsuccessfulFaceAssociation(many=True)
    UserStatus = serializers.ChoiceField(_STATUS)

    def to_representation(self, done: Assignment) -> Json:
        """Give the reason of each face that was not."""
        unlike = [
            {"FaceId": face, "Reasons": ["LOW_MATCH_CONFIDENCE"], **({} if score is None else {"Confidence": score})}
            for face, score in done.unlike.items()
        ]
        return super().to_representation(
            {
                "AssociatedFaces": [{"FaceId": face} for face in done.done],
                "UnsuccessfulFaceAssociations": [*_elsewhere(done), *unlike],
                "UserStatus": _status(done.faces_left),
            }
        )


@example(
    {
        "DisassociatedFaces": [{"FaceId": FACE["FaceId"]}],
        "UnsuccessfulFaceDisassociations": [_UNSUCCESSFUL],
        "UserStatus": "CREATED",
    }
)
class Disassociated(serializers.Serializer[Any]):
    """The answer to DisassociateFaces."""

    DisassociatedFaces = OneFace(many=True)
    UnsuccessfulFaceDisassociations = UnsuccessfulFaceDisassociation(many=True)
    UserStatus = serializers.ChoiceField(_STATUS)

    def to_representation(self, done: Assignment) -> Json:
        """Give the reason of each face that was not."""
        return super().to_representation(
            {
                "DisassociatedFaces": [{"FaceId": face} for face in done.done],
                "UnsuccessfulFaceDisassociations": _elsewhere(done),
                "UserStatus": _status(done.faces_left),
            }
        )


class _Search(serializers.Serializer[Any]):
    """What both searches take."""

    CollectionId = CollectionId()
    UserMatchThreshold = Percent()
    MaxUsers = Whole(min_value=1, max_value=_MOST, default=5)

    def validate_UserMatchThreshold(self, value: float) -> Threshold:
        """Convert it; the scales are the same."""
        return Threshold(value)


@example({**_NAMED, "UserMatchThreshold": 80, "MaxUsers": 5})
class SearchUsers(_Search):
    """SearchUsers: by a user or by a face, one of them."""

    default_error_messages = {"one": "Exactly one of UserId and FaceId is needed."}

    UserId = UserId(required=False)
    FaceId = FaceId(required=False)

    def validate(self, attrs: Json) -> Json:
        """Require one."""
        if len(attrs.keys() & {"UserId", "FaceId"}) != 1:
            raise serializers.ValidationError(self.error_messages["one"], code="parameter")
        return attrs


@example({"CollectionId": "people", "Image": _BYTES, "UserMatchThreshold": 80, "MaxUsers": 5})
class SearchUsersByImage(_Search):
    """SearchUsersByImage."""

    Image = Image()
    QualityFilter = QualityFilter(default="NONE")


class UserMatch(serializers.Serializer[Any]):
    """A user, and how similar the nearest of their faces is."""

    Similarity = serializers.FloatField()
    User = User()


class OneUser(serializers.Serializer[Any]):
    """A user's id."""

    UserId = serializers.CharField()


@example({"UserMatches": [_MATCH], "FaceModelVersion": "light-1", "SearchedFace": {"FaceId": FACE["FaceId"]}})
class FoundUsers(serializers.Serializer[Any]):
    """The answer to SearchUsers, best match first."""

    UserMatches = UserMatch(many=True)
    FaceModelVersion = serializers.CharField()
    SearchedFace = OneFace(required=False)
    SearchedUser = OneUser(required=False)

    def to_representation(self, found: SearchResult) -> Json:
        """Add what was searched for."""
        searched = {name: {field: value} for name, (field, value) in self.context["searched"].items()}
        return super().to_representation({**_found(found), **searched})


class SearchedFaceDetails(serializers.Serializer[Any]):
    """The face that was searched for."""

    FaceDetail = FaceDetail()


class UnsearchedFace(serializers.Serializer[Any]):
    """A face that was not searched for."""

    FaceDetails = FaceDetail()
    Reasons = serializers.ListField(child=serializers.ChoiceField(["FACE_NOT_LARGEST"]))


@example(
    {
        "UserMatches": [_MATCH],
        "FaceModelVersion": "light-1",
        "SearchedFace": {"FaceDetail": COMPARED},
        "UnsearchedFaces": [{"FaceDetails": COMPARED, "Reasons": ["FACE_NOT_LARGEST"]}],
    }
)
class FoundUsersByImage(serializers.Serializer[Any]):
    """The answer to SearchUsersByImage, best match first."""

    UserMatches = UserMatch(many=True)
    FaceModelVersion = serializers.CharField()
    SearchedFace = SearchedFaceDetails()
    UnsearchedFaces = UnsearchedFace(many=True)

    def to_representation(self, found: SearchResult) -> Json:
        """Add the faces of the image."""
        size, seen = (found.width, found.height), found.source
        assert seen  # noqa: S101 -- a search by image has one
        others = [{"FaceDetails": detail(one, *size), "Reasons": ["FACE_NOT_LARGEST"]} for one in found.others]
        searched = {"SearchedFace": {"FaceDetail": detail(seen, *size)}, "UnsearchedFaces": others}
        return super().to_representation(_found(found) | searched)


def _found(found: SearchResult) -> Json:
    users = [{"Similarity": match.score, "User": _user(match.face.person, 1)} for match in found.matches]
    return {"UserMatches": users, "FaceModelVersion": model_version(found.collection.pack)}


def _user(person: Person, faces: int) -> Json:
    return {"UserId": person.reference, "UserStatus": _status(faces)}


def _status(faces: int) -> str:
    return "ACTIVE" if faces else "CREATED"


def _elsewhere(done: Assignment) -> list[Json]:
    missing = [{"FaceId": face, "Reasons": ["FACE_NOT_FOUND"]} for face in done.missing]
    return [
        *missing,
        *(
            {"FaceId": face, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"], **({"UserId": user} if user else {})}
            for face, user in done.elsewhere.items()
        ),
    ]
