"""The bodies of NHN Face Recognition, in the vendor's field order and spellings.

The `mask` of the current contract is left out: no model of ours tells whether a face wears one, and a made-up answer
would be believed. The request's flag of that name is read and changes nothing.

Over 300 lines, because the contract has twelve operations and their shapes are its substance.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import cache
from types import new_class
from typing import Any, TypeAlias

from django.core import signing
from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from collections_app.dialects.base import Answer
from collections_app.dialects.openapi import Always, Base64Image, Body, example, example_of
from collections_app.fetch import ImageUrl
from collections_app.models import Collection, Face
from collections_app.operations.collections import CollectionPage
from collections_app.operations.compare import Comparison, Verification
from collections_app.operations.enrol import Enrolment
from collections_app.operations.faces import FacePage
from collections_app.operations.search import Match, SearchResult
from recognition import packs
from recognition.results import Analysis, Box, DetectedFace
from tenants.models import Tenant

SUCCESS = {"seed": Answer(200, 0, "SUCCESS"), "current": Answer(200, 0, "Success")}  # decision H2
PORTS = frozenset({80, 443, *range(10_000, 12_001)})  # decision H26
_GROUP_ID = re.compile(r"[a-z0-9-]{1,255}")
_LABEL = r"\A[A-Za-z0-9_.:-]{1,255}\Z"  # decision H9
_DIGITS = re.compile(r"[0-9]{1,9}")
_TOKEN_SALT, _TOKEN_SECONDS = "nhn.next-token", 3600
_LANDMARKS = ("leftEye", "rightEye", "nose", "leftLip", "rightLip")  # decisions H4 and H27; results.Landmarks' order
_SHARE_DIGITS, _SCORE_DIGITS = 6, 4
_ROUNDING = 1e-6  # a face compared with itself comes to a cosine a little under 1, and must reach a threshold of 100

Json: TypeAlias = dict[str, Any]


# The values of the document's examples.
_PICTURE = {"url": "https://..."}
_BOX = {"x0": 0.36, "y0": 0.21, "x1": 0.612, "y1": 0.715}
_SEEN = {"bbox": _BOX, "confidence": 99.8945155187}
_DETAIL = {
    "bbox": _BOX,
    "landmarks": [{"type": name, "x": 0.415, "y": 0.513} for name in _LANDMARKS],
    "orientation": {"x": 15.303436, "y": -9.222179, "z": -7.97249},
    "confidence": 99.8945155187,
}
_FACE = {
    "faceId": "87db50d4-f2c6-b8ea-05ed-9f201309fd92",
    "imageId": "9297db50-d4f2-c6b8-ea05-edf2013089fd",
    "externalImageId": "image01.jpg",
    **_SEEN,
}
_MATCHES = {"matchFaceCount": 1, "matchFaces": [{"face": _FACE, "similarity": 99.8945155187}]}
_TOKEN = "dlkj-210jwoivndslko9d..."  # noqa: S105 -- the document's own


# --- what comes in ---


class Whole(serializers.IntegerField):
    """A whole number, in JSON a number and in a query its digits: no text, truth value or fraction stands for one."""

    def to_internal_value(self, data: Any) -> int:  # noqa: ANN401
        """Take it as it is."""
        if type(data) is not int:
            self.fail("invalid")
        return data


class QueryWhole(serializers.IntegerField):
    """A whole number in a query."""

    def to_internal_value(self, data: Any) -> int:  # noqa: ANN401
        """Read ASCII digits and nothing else."""
        if not _DIGITS.fullmatch(data):
            self.fail("invalid")
        return int(data)


class Text(serializers.CharField):
    """A string; a number does not stand for one."""

    def to_internal_value(self, data: Any) -> Any:  # noqa: ANN401
        """Take it as it is."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


@extend_schema_field({"type": "string", "pattern": "^[a-z0-9-]{1,255}$"})
class GroupId(Text):
    """The id of a group to be made."""

    default_error_messages = {"group_id": "A group id is 1 to 255 of a-z, 0-9 and -."}

    def run_validation(self, data: Any = serializers.empty) -> Any:  # noqa: ANN401
        """Call what does not fit, the empty string too, by the code that has a name in the contract."""
        if isinstance(data, str) and not _GROUP_ID.fullmatch(data):
            self.fail("group_id")
        return super().run_validation(data)


class Base64(Base64Image, Text):
    """An image in base64, as text and nothing that could be read as text."""


class Flag(serializers.BooleanField):
    """True or false; no text or number stands for one."""

    def to_internal_value(self, data: Any) -> bool:  # noqa: ANN401
        """Take it as it is."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Image(serializers.Serializer[Any]):
    """An image by URL or in base64, exactly one of the two (decision H11); null is as good as absent."""

    url = Text(required=False, allow_null=True, allow_blank=True)
    bytes = Base64(required=False, allow_null=True, allow_blank=True)

    def validate(self, attrs: Json) -> Any:  # noqa: ANN401
        """Return the image: bytes, or where to fetch them, once it is known who asks and for what."""
        given = {name: value for name, value in attrs.items() if value is not None}
        if len(given) != 1:
            raise serializers.ValidationError("Exactly one of url and bytes.")
        return ImageUrl(given["url"], PORTS) if "url" in given else given["bytes"] or b""


@example({"groupId": "my-group"})
class CreateGroup(serializers.Serializer[Any]):
    """POST /groups."""

    groupId = GroupId()  # noqa: N815 -- the vendor's spelling, here and below


class Page(serializers.Serializer[Any]):
    """The query of a list."""

    limit = QueryWhole(min_value=1, max_value=200)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add the field whose name is none in Python."""
        return {**super().get_fields(), "next-token": Text(default="", allow_blank=True)}


class Threshold(serializers.Serializer[Any]):
    """A threshold in the query, as later versions of the contract have it (decision H5)."""

    threshold = QueryWhole(min_value=1, max_value=100)


class Search(Threshold):
    """The query of a search."""

    limit = QueryWhole(min_value=1, max_value=4096)


class Options(serializers.Serializer[Any]):
    """What the caller does not want to be told (contract 3.4)."""

    orientation = Flag(default=True)
    mask = Flag(default=True)


@example({"image": _PICTURE})
class Picture(Options):
    """POST /detect, and the body of a search by image."""

    image = Image()


@example({"image": _PICTURE, "externalImageId": "image01.jpg", "limit": 3})
class Register(Picture):
    """POST /groups/{group-id}."""

    externalImageId = Text(validators=[RegexValidator(_LABEL)], required=False)  # noqa: N815
    limit = Whole(min_value=1, max_value=100)


@example({"sourceImage": _PICTURE, "targetImage": _PICTURE, "threshold": 80})
class Compare(Options):
    """POST /compare. The document's example spells a key "threshold " (decision H5)."""

    sourceImage = Image()  # noqa: N815
    targetImage = Image()  # noqa: N815
    threshold = Whole(min_value=1, max_value=100, default=None, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:  # noqa: ANN401
        """Trim the keys."""
        return super().to_internal_value({key.strip(): data[key] for key in data} if isinstance(data, dict) else data)


@example({"compareImage": _PICTURE})
class Verify(Options):
    """POST /verify/groups/{group-id}/faces/{face-id}."""

    compareImage = Image()  # noqa: N815


def cursor(given: Json, tenant: Tenant, group: str = "") -> tuple[int, Any]:
    """Return a list's limit and the place after which it goes on; a token's limit wins (decision H13).

    Raises:
        rest_framework.exceptions.ValidationError: the token is not of this list, of this tenant, or of this hour.
    """
    if not given["next-token"]:
        return given["limit"], None
    try:
        *bound, limit, place = signing.loads(given["next-token"], salt=_TOKEN_SALT, max_age=_TOKEN_SECONDS)
    except signing.BadSignature:
        bound = []
    if bound != [tenant.pk, group]:
        raise serializers.ValidationError({"next-token": "Not a token of this list."}, code="token")
    return limit, place


def next_token(tenant: Tenant, limit: int, place: str | int, group: str = "") -> str:
    """Return a signed token for the rest of a list; `group` is empty for the list of groups."""
    return signing.dumps([tenant.pk, group, limit, place], salt=_TOKEN_SALT)


def cosine(pack: str, score: int) -> float:
    """Return the cosine of a threshold of 1 to 100."""
    return float(packs.get(pack).similarity.cosine(score)) - _ROUNDING


# --- what goes out ---


class Success(serializers.Serializer[Answer]):
    """The header of what was done."""

    resultCode = Always(0)  # noqa: N815
    resultMessage = serializers.CharField(source="text")  # noqa: N815
    isSuccessful = Always(value=True)  # noqa: N815


class Failure(serializers.Serializer[Answer]):
    """The header of what was not done."""

    resultCode = serializers.IntegerField(source="code", max_value=-1)  # noqa: N815
    resultMessage = serializers.CharField(source="text")  # noqa: N815
    isSuccessful = Always(value=False)  # noqa: N815


@example({"header": {"resultCode": 0, "resultMessage": "SUCCESS", "isSuccessful": True}})
class Done(serializers.Serializer[Any]):
    """The answer to what was done and has nothing to tell."""

    header = Success()


@example({"header": {"resultCode": -40000, "resultMessage": "InvalidParam", "isSuccessful": False}})
class Refusal(serializers.Serializer[Any]):
    """The answer to what was not done."""

    header = Failure()


@cache
def enveloped(data: Body) -> Body:
    """Return the answer of which that is the data."""
    parts = {"data": data(), "__doc__": data.__doc__}
    answer: Body = new_class(f"{data.__name__}Answer", (Done,), exec_body=lambda body: body.update(parts))
    return example({**example_of(Done), "data": example_of(data)})(answer)


class Group(serializers.Serializer[Any]):
    """A group of a list."""

    groupId = serializers.CharField(source="name")  # noqa: N815
    modelVersion = serializers.SerializerMethodField()  # noqa: N815

    def get_modelVersion(self, group: Collection) -> str:  # noqa: N802
        """The version of the group's pack."""
        return model_version(group.pack)


@extend_schema_field({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$"})
class Time(serializers.DateTimeField):
    """A time in UTC, which it does not say (decision H23)."""


class DetailedGroup(Group):
    """A group by itself. Its time is UTC, and does not say so (decision H23)."""

    createTime = Time(source="created_at", format="%Y-%m-%dT%H:%M:%S", default_timezone=UTC)  # noqa: N815
    faceCount = serializers.IntegerField(source="gallery.size")  # noqa: N815


@example(
    {
        "groupCount": 2,
        "groups": [{"groupId": "group-id", "modelVersion": "v1.0"}, {"groupId": "my-group", "modelVersion": "v1.0"}],
        "nextToken": _TOKEN,
    }
)
class Groups(serializers.Serializer[Any]):
    """The answer to GET /groups."""

    groupCount = serializers.IntegerField()  # noqa: N815
    groups = Group(many=True)
    nextToken = serializers.CharField()  # noqa: N815

    def to_representation(self, page: CollectionPage) -> Json:
        """Count the page (decision H15) and say how to go on; nothing, when there is nothing more."""
        last, listed = page.collections[-1:], page.collections
        token = next_token(self.context["tenant"], self.context["limit"], last[0].name) if page.more else ""
        return super().to_representation({"groupCount": len(listed), "groups": listed, "nextToken": token})


@example(
    {
        "groupCount": 1,
        "groups": [
            {"groupId": "group-id", "modelVersion": "v1.0", "createTime": "2020-09-29T14:34:12", "faceCount": 365}
        ],
    }
)
class GroupDetail(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}: a list of one."""

    groupCount = serializers.IntegerField()  # noqa: N815
    groups = DetailedGroup(many=True)

    def to_representation(self, group: Collection) -> Json:
        """List it."""
        return super().to_representation({"groupCount": 1, "groups": [group]})


class Bbox(serializers.Serializer[Any]):
    """A box, as shares of the image's sides; what reaches beyond the image is cut off."""

    x0 = serializers.FloatField()
    y0 = serializers.FloatField()
    x1 = serializers.FloatField()
    y1 = serializers.FloatField()


class Landmark(serializers.Serializer[Any]):
    """A point of a face, as shares of the image's sides. Left and right are the image's (decision H27)."""

    type = serializers.ChoiceField(_LANDMARKS)
    x = serializers.FloatField()
    y = serializers.FloatField()


class Orientation(serializers.Serializer[Any]):
    """Yaw, pitch and roll in degrees: to the image's right, up and clockwise are positive (decision H28)."""

    x = serializers.FloatField(source="yaw")
    y = serializers.FloatField(source="pitch")
    z = serializers.FloatField(source="roll")


class SourceFace(serializers.Serializer[Any]):
    """The face of a probe: its box and confidence, in the current contract everything (contract 3.4)."""

    bbox = Bbox()
    landmarks = Landmark(many=True, required=False)
    orientation = Orientation(required=False)
    confidence = serializers.FloatField()


class FaceDetail(serializers.Serializer[Any]):
    """A face seen in an image."""

    bbox = Bbox()
    landmarks = Landmark(many=True)
    orientation = Orientation(required=False)
    confidence = serializers.FloatField()


class RegisteredFace(serializers.Serializer[Any]):
    """A face of a group."""

    faceId = serializers.CharField(source="uuid")  # noqa: N815
    imageId = serializers.CharField(source="image")  # noqa: N815
    externalImageId = serializers.CharField(source="label", required=False)  # noqa: N815
    bbox = Bbox()
    confidence = serializers.FloatField()

    def to_representation(self, face: Face) -> Json:
        """Leave out a label that was not given."""
        shown = {"uuid": face.uuid, "image": face.image, "bbox": _bbox(face.box, face.image_width, face.image_height)}
        label = {"label": face.label} if face.label else {}
        return super().to_representation(shown | label | {"confidence": _percent(face.confidence)})


@example({"modelVersion": "v1.0", "faceCount": 2, "faces": [_FACE, _FACE], "nextToken": _TOKEN})
class Faces(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}/faces; the count is the group's, not the page's (decision H15)."""

    modelVersion = serializers.CharField()  # noqa: N815
    faceCount = serializers.IntegerField()  # noqa: N815
    faces = RegisteredFace(many=True)
    nextToken = serializers.CharField()  # noqa: N815

    def to_representation(self, page: FacePage) -> Json:
        """Say how to go on; nothing, when there is nothing more."""
        group, place = page.collection, page.faces[-1].number if page.more else 0
        token = next_token(self.context["tenant"], self.context["limit"], place, group.name) if page.more else ""
        shown = {"modelVersion": model_version(group.pack), "faceCount": page.total}
        return super().to_representation(shown | {"faces": page.faces, "nextToken": token})


@example({"faceDetailCount": 1, "faceDetails": [_DETAIL]})
class Detected(serializers.Serializer[Any]):
    """The answer to POST /detect."""

    faceDetailCount = serializers.IntegerField()  # noqa: N815
    faceDetails = FaceDetail(many=True)  # noqa: N815

    def to_representation(self, seen: Analysis) -> Json:
        """Count the faces."""
        details = _details(seen.faces, seen.width, seen.height, self.context)
        return super().to_representation({"faceDetailCount": len(details), "faceDetails": details})


@example(
    {
        "modelVersion": "v1.0",
        "addedFaceCount": 1,
        "addedFaces": [_FACE],
        "addedFaceDetails": [_DETAIL],
        "notAddedFaceCount": 1,
        "notAddedFaces": [_DETAIL],
    }
)
class Registered(serializers.Serializer[Any]):
    """The answer to POST /groups/{group-id}; addedFaceDetails goes along with addedFaces (decision H25)."""

    modelVersion = serializers.CharField()  # noqa: N815
    addedFaceCount = serializers.IntegerField()  # noqa: N815
    addedFaces = RegisteredFace(many=True)  # noqa: N815
    addedFaceDetails = FaceDetail(many=True)  # noqa: N815
    notAddedFaceCount = serializers.IntegerField()  # noqa: N815
    notAddedFaces = FaceDetail(many=True)  # noqa: N815

    def to_representation(self, done: Enrolment) -> Json:
        """Count both kinds; an image in which a face was seen has stored at least one."""
        width, height = (done.faces[0].image_width, done.faces[0].image_height) if done.faces else (1, 1)
        return super().to_representation(
            {
                "modelVersion": model_version(done.collection.pack),
                "addedFaceCount": len(done.faces),
                "addedFaces": done.faces,
                "addedFaceDetails": _details(done.added, width, height, self.context),
                "notAddedFaceCount": len(done.not_added),
                "notAddedFaces": _details(done.not_added, width, height, self.context),
            }
        )


class MatchedFace(serializers.Serializer[Any]):
    """A registered face, and how similar it is."""

    face = RegisteredFace()
    similarity = serializers.FloatField()


@example(_MATCHES)
class Found(serializers.Serializer[Any]):
    """The answer to GET /groups/{group-id}/faces/{face-id}; it alone has no modelVersion (decision H12)."""

    matchFaceCount = serializers.IntegerField()  # noqa: N815
    matchFaces = MatchedFace(many=True)  # noqa: N815

    def to_representation(self, found: SearchResult) -> Json:
        """Count the matches."""
        return super().to_representation(_matches(found.matches, found.record.pack))


@example({"modelVersion": "v1.0", **_MATCHES, "sourceFace": _SEEN})
class FoundByImage(serializers.Serializer[Any]):
    """The answer to POST /groups/{group-id}/search."""

    modelVersion = serializers.CharField()  # noqa: N815
    matchFaceCount = serializers.IntegerField()  # noqa: N815
    matchFaces = MatchedFace(many=True)  # noqa: N815
    sourceFace = serializers.SerializerMethodField()  # noqa: N815

    @extend_schema_field(SourceFace)
    def get_sourceFace(self, shown: Json) -> Json:  # noqa: N802
        """The probe's face."""
        return _source(shown["source"], shown["width"], shown["height"], self.context)

    def to_representation(self, found: SearchResult) -> Json:
        """Count the matches and show the probe's face."""
        shown = {"modelVersion": model_version(found.record.pack), **_matches(found.matches, found.record.pack)}
        probe = {"source": found.source, "width": found.width, "height": found.height}
        return super().to_representation(shown | probe)


class ComparedFace(serializers.Serializer[Any]):
    """A face of the target, and how similar it is to the source."""

    faceDetail = FaceDetail()  # noqa: N815
    similarity = serializers.FloatField()


@example(
    {
        "modelVersion": "v1.0",
        "matchedFaceDetailCount": 1,
        "matchedFaceDetails": [{"faceDetail": _DETAIL, "similarity": 90.654}],
        "unmatchedFaceDetailCount": 1,
        "unmatchedFaceDetails": [{"faceDetail": _DETAIL, "similarity": 60.654}],
        "sourceFace": _SEEN,
    }
)
class Compared(serializers.Serializer[Any]):
    """The answer to POST /compare."""

    modelVersion = serializers.CharField()  # noqa: N815
    matchedFaceDetailCount = serializers.IntegerField()  # noqa: N815
    matchedFaceDetails = ComparedFace(many=True)  # noqa: N815
    unmatchedFaceDetailCount = serializers.IntegerField()  # noqa: N815
    unmatchedFaceDetails = ComparedFace(many=True)  # noqa: N815
    sourceFace = serializers.SerializerMethodField()  # noqa: N815

    @extend_schema_field(SourceFace)
    def get_sourceFace(self, shown: Json) -> Json:  # noqa: N802
        """The source's largest face."""
        seen = shown["source"]
        return _source(seen.faces[0], seen.width, seen.height, self.context)

    def to_representation(self, done: Comparison) -> Json:
        """Part the faces at the threshold."""
        bar = cosine(done.pack, self.context["threshold"])
        details = _details([face for face, _ in done.cosines], done.target.width, done.target.height, self.context)
        pairs = [
            (found, {"faceDetail": detail, "similarity": similarity(done.pack, found)})
            for detail, (_, found) in zip(details, done.cosines, strict=True)
        ]
        matched = [pair for found, pair in pairs if found >= bar]
        unmatched = [pair for found, pair in pairs if found < bar]
        return super().to_representation(
            {
                "modelVersion": model_version(done.pack),
                "matchedFaceDetailCount": len(matched),
                "matchedFaceDetails": matched,
                "unmatchedFaceDetailCount": len(unmatched),
                "unmatchedFaceDetails": unmatched,
                "source": done.source,
            }
        )


@example({"similarity": 98.156, "face": _FACE, "sourceFace": _DETAIL})
class Verified(serializers.Serializer[Any]):
    """The answer to POST /verify/groups/{group-id}/faces/{face-id}, which only the current contract has."""

    similarity = serializers.FloatField()
    face = RegisteredFace()
    sourceFace = FaceDetail()  # noqa: N815

    def to_representation(self, done: Verification) -> Json:
        """Show both faces."""
        [source] = _details(done.seen.faces[:1], done.seen.width, done.seen.height, self.context)
        shown = {"similarity": similarity(done.collection.pack, done.cosine), "face": done.face, "sourceFace": source}
        return super().to_representation(shown)


def model_version(pack: str) -> str:
    """Return a pack's version as the contract writes versions; another pack than the default one says which it is."""
    version = f"v{packs.get(pack).version}.0"
    return version if pack == packs.DEFAULT else f"{version}-{pack}"


def similarity(pack: str, found: float) -> float:
    """Express a cosine on the contract's scale of 0 to 100."""
    return round(float(packs.get(pack).similarity.score(found)), _SCORE_DIGITS)


def _percent(share: float) -> float:
    return round(100 * share, _SCORE_DIGITS)


def _share(pixels: float, side: int) -> float:
    return round(float(pixels) / side, _SHARE_DIGITS)


def _bbox(box: Box, width: int, height: int) -> Json:
    edges = {"x0": (box.x, width), "y0": (box.y, height)}
    edges |= {"x1": (box.x + box.width, width), "y1": (box.y + box.height, height)}
    return {name: min(1.0, max(0.0, _share(pixels, side))) for name, (pixels, side) in edges.items()}


def _details(faces: Sequence[DetectedFace], width: int, height: int, context: Mapping[str, Any]) -> list[Json]:
    """Return the faces for FaceDetail, with their orientation unless the caller waived it."""
    return [
        {
            "bbox": _bbox(face.box, width, height),
            "landmarks": [
                {"type": name, "x": _share(x, width), "y": _share(y, height)}
                for name, (x, y) in zip(_LANDMARKS, face.landmarks, strict=True)
            ],
            **({"orientation": face.pose} if context["orientation"] else {}),
            "confidence": _percent(face.confidence),
        }
        for face in faces
    ]


def _source(face: DetectedFace, width: int, height: int, context: Mapping[str, Any]) -> Json:
    """Show a probe's face: its box and confidence, in the current contract everything (contract 3.4)."""
    [detail] = _details([face], width, height, context)
    if context["profile"] == "seed":
        detail = {"bbox": detail["bbox"], "confidence": detail["confidence"]}
    return dict(SourceFace(detail).data)


def _matches(matches: Sequence[Match], pack: str) -> Json:
    found = [{"face": match.face, "similarity": similarity(pack, match.cosine)} for match in matches]
    return {"matchFaceCount": len(found), "matchFaces": found}
