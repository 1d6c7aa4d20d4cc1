"""NHN Face Recognition's endpoints: parse, operate, render."""

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.nhn import errors, wire
from collections_app.dialects.openapi import Body, described, possible
from collections_app.operations import collections, compare, enrol, erase, faces, search
from recognition.decode import ImageLimits
from tenants.errors import MissingKey

_SIDE, _SHRUNK = 80, 2048  # the contract's image guide; larger images are scaled, not refused (decision H19)
# The query's threshold of a comparison counts where the body has none (decision H5).
_THRESHOLD = OpenApiParameter("threshold", {"type": "integer", "minimum": 1, "maximum": 100})

F = TypeVar("F", bound=Callable[..., Any])

_LIMITS = {
    "seed": ImageLimits(max_bytes=5_000_000, min_side=_SIDE, shrink_to=_SHRUNK),
    "current": ImageLimits(max_bytes=3_000_000, min_side=_SIDE, shrink_to=_SHRUNK),
}


class NhnView(DialectView):
    """An endpoint of NHN Face Recognition, in the generation of the contract that the tenant speaks (decision H1)."""

    via = "nhn"
    profile: errors.Profile = "seed"

    def credentials(self, request: Request) -> tuple[str, str]:
        """Read the key's id from the path, and the bare secret from Authorization (decision H3)."""
        key_id, secret = self.kwargs["app_key"], request.headers.get("Authorization", "")
        if not secret:
            raise MissingKey
        return key_id, secret

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Learn from the tenant which generation it speaks."""
        super().initial(request, *args, **kwargs)
        self.profile = errors.profile(self.caller.tenant.profiles.get(self.via))

    def answer(self, error: Exception) -> Answer | None:
        """Look the error up."""
        return errors.answer(error, self.profile)

    def internal_error(self) -> Answer:
        """Answer InternalServerError."""
        return errors.internal(self.profile)

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render the envelope alone."""
        return Response(wire.Refusal({"header": answer}).data, status=answer.status)

    def reply(self, body: type[Serializer[Any]] | None = None, done: object = None, **context: Any) -> Response:  # noqa: ANN401
        """Render what was done, in the envelope; no body: that it was done."""
        answer = {"header": wire.SUCCESS[self.profile], "data": done}
        shape = wire.enveloped(body) if body else wire.Done
        return Response(shape(answer, context=context | {"profile": self.profile}).data)

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the query of a request that has a body as well."""
        checked = form(data=self.request.query_params)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    @property
    def limits(self) -> ImageLimits:
        """What an image may be."""
        return _LIMITS[self.profile]


_PATH = {
    "app_key": "The key's id. Its secret goes into the header Authorization.",
    "group": "A group's id.",
    "face": "A face's id.",
}


def _described(operation: str, path: str, answer: Body | None = None, **shapes: Any) -> Callable[[F], F]:  # noqa: ANN401
    """Describe a method; `path` names what stands in its path beside the key."""
    return described(
        operation,
        answer=wire.enveloped(answer) if answer else wire.Done,
        refusal=wire.Refusal,
        refused=possible(errors.ANSWERS, "seed"),
        path={name: _PATH[name] for name in ("app_key", *path.split())},
        **shapes,
    )


class GroupsView(NhnView):
    """/groups."""

    @_described("createGroup", "", body=wire.CreateGroup)
    def post(self, request: Request, **_: str) -> Response:
        """Make a group. Of its images nothing but vectors is kept, unless its policy is changed later."""
        given = self.parse(wire.CreateGroup)
        collections.create_collection(self.caller, name=given["groupId"], images="none")
        return self.reply()

    @_described("listGroups", "", wire.Groups, parameters=[wire.Page])
    def get(self, request: Request, **_: str) -> Response:
        """List the groups, by id."""
        limit, after = wire.cursor(self.parse(wire.Page), self.caller.tenant)
        page = collections.page_collections(self.caller, limit=limit, after=after or "")
        return self.reply(wire.Groups, page, tenant=self.caller.tenant, limit=limit)


class GroupView(NhnView):
    """/groups/{group-id}."""

    @_described("getGroup", "group", wire.GroupDetail)
    def get(self, request: Request, group: str, **_: str) -> Response:
        """Describe a group."""
        return self.reply(wire.GroupDetail, collections.get_collection(self.caller, name=group))

    @_described("deleteGroup", "group")
    def delete(self, request: Request, group: str, **_: str) -> Response:
        """Delete a group."""
        collections.delete_collection(self.caller, name=group)
        return self.reply()

    @_described("registerFaces", "group", wire.Registered, body=wire.Register)
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Register the largest faces of an image."""
        given = self.parse(wire.Register)
        done = enrol.enrol_faces(
            self.caller,
            collection=group,
            image=given["image"],
            limit=given["limit"],
            label=given.get("externalImageId", ""),
            limits=self.limits,
        )
        return self.reply(wire.Registered, done, orientation=given["orientation"])


class FacesView(NhnView):
    """/groups/{group-id}/faces."""

    @_described("listFaces", "group", wire.Faces, parameters=[wire.Page])
    def get(self, request: Request, group: str, **_: str) -> Response:
        """List a group's faces, newest first."""
        limit, before = wire.cursor(self.parse(wire.Page), self.caller.tenant, group)
        page = faces.list_faces(self.caller, collection=group, limit=limit, before=before)
        return self.reply(wire.Faces, page, tenant=self.caller.tenant, limit=limit)


class FaceView(NhnView):
    """/groups/{group-id}/faces/{face-id}."""

    @_described("searchByFace", "group face", wire.Found, parameters=[wire.Search])
    def get(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Find the faces most similar to a registered one."""
        given = self.parse(wire.Search)
        found = search.search_by_face(
            self.caller,
            collection=group,
            face=face,
            limit=given["limit"],
            threshold=lambda pack: wire.cosine(pack, given["threshold"]),
        )
        return self.reply(wire.Found, found)

    @_described("deleteFace", "group face")
    def delete(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Delete a face."""
        erase.delete_face(self.caller, collection=group, face=face)
        return self.reply()


class SearchView(NhnView):
    """/groups/{group-id}/search."""

    @_described("searchByImage", "group", wire.FoundByImage, parameters=[wire.Search], body=wire.Picture)
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Find the faces most similar to the largest face of an image."""
        asked, given = self.query(wire.Search), self.parse(wire.Picture)
        found = search.search_by_image(
            self.caller,
            collection=group,
            image=given["image"],
            limit=asked["limit"],
            threshold=lambda pack: wire.cosine(pack, asked["threshold"]),
            largest=True,
            limits=self.limits,
        )
        return self.reply(wire.FoundByImage, found, orientation=given["orientation"])


class DetectView(NhnView):
    """/detect."""

    @_described("detect", "", wire.Detected, body=wire.Picture)
    def post(self, request: Request, **_: str) -> Response:
        """Find the faces of an image."""
        given = self.parse(wire.Picture)
        seen = compare.detect(self.caller, image=given["image"], limits=self.limits)
        return self.reply(wire.Detected, seen, orientation=given["orientation"])


class CompareView(NhnView):
    """/compare."""

    @_described("compare", "", wire.Compared, parameters=[_THRESHOLD], body=wire.Compare)
    def post(self, request: Request, **_: str) -> Response:
        """Compare the largest face of one image with every face of another; the body's threshold wins (decision H5)."""
        given = self.parse(wire.Compare)
        threshold = given["threshold"] or self.query(wire.Threshold)["threshold"]
        done = compare.compare(
            self.caller, source=given["sourceImage"], target=given["targetImage"], limits=self.limits
        )
        return self.reply(wire.Compared, done, threshold=threshold, orientation=given["orientation"])


class VerifyView(NhnView):
    """/verify/groups/{group-id}/faces/{face-id}."""

    @_described("verify", "group face", wire.Verified, body=wire.Verify)
    def post(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Compare the largest face of an image with a registered one; the caller decides."""
        given = self.parse(wire.Verify)
        done = compare.verify(self.caller, collection=group, face=face, image=given["compareImage"], limits=self.limits)
        return self.reply(wire.Verified, done, orientation=given["orientation"])


class UnknownView(NhnView):
    """Any other path, in the same envelope, known key or not."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Say that there is nothing here."""
        raise NotFound
