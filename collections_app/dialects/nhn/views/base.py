"""The base of NHN's endpoints: key -> caller, result -> envelope, and the OpenAPI description."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.nhn import errors, wire
from collections_app.dialects.nhn.dialect import DIALECT, WITHOUT_SECRET
from collections_app.dialects.openapi import Body, possible
from collections_app.dialects.parsers import Form, Json
from collections_app.operations import compare, enrol, search
from recognition.images import ImageLimits
from tenants import access
from tenants.access import Caller
from tenants.errors import MissingKey

_SIDE, _SHRUNK = 80, 2048  # the contract's image guide; larger images are scaled, not refused (decision H19)

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = ("PNG", "JPEG")
_TODAY = ImageLimits(  # contract 3.3; of faces decision H33
    max_bytes=3_000_000, min_side=_SIDE, shrink_to=_SHRUNK, formats=_FORMATS, min_face=60, max_turn=45
)
_LIMITS = {
    "prerelease": ImageLimits(max_bytes=5_000_000, min_side=_SIDE, shrink_to=_SHRUNK, formats=_FORMATS),
    "current": _TODAY,
    "v2.0": _TODAY,
}


class NhnView(DialectView):
    """The base of NHN's endpoints: the key's places, the envelope, and what the generation of the contract decides."""

    dialect = DIALECT
    generation: errors.Generation = "prerelease"

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key's id from the path and the bare secret from Authorization (decision H3)."""
        key_id, secret = self.kwargs["app_key"], request.headers.get("Authorization", "")
        if not secret:
            raise MissingKey
        return key_id, secret

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error, self.generation)

    def internal_error(self) -> Answer:
        """Return InternalServerError."""
        return errors.internal(self.generation)

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render the envelope without data."""
        return Response(wire.base.Refusal({"header": answer}).data, status=answer.status)

    def reply(
        self,
        body: type[Serializer[Any]] | None = None,
        result: object = None,
        *,
        header: Answer | None = None,
        **context: Any,
    ) -> Response:
        """Render a success in the envelope; without a body, the envelope alone."""
        answer = {"header": header or wire.base.SUCCESS[self.generation], "data": result}
        shape = wire.base.enveloped(body) if body else wire.base.Done
        return Response(shape(answer, context=context | {"generation": self.generation}).data)

    def registered(self, group: str, body: Mapping[str, Any]) -> Response:
        """Register the largest faces of an image; in production as many of them as there is room for."""
        done = enrol.enrol_faces(
            self.caller,
            collection=group,
            image=body["image"],
            limit=body["limit"],
            label=body.get("externalImageId", ""),
            fill=self.generation != "prerelease",
            liveness=self.judged(body),
            limits=self.limits,
        )
        return self.reply(wire.faces.Registered, done, header=wire.base.PARTIAL if done.lacking else None, **body)

    def found_by_image(self, group: str, values: Mapping[str, Any]) -> Response:
        """Find the faces most similar to the largest face of an image; `values` are the query's and the body's."""
        found = search.search_by_image(
            self.caller,
            collection=group,
            image=values["image"],
            limit=values["limit"],
            threshold=values["threshold"],
            largest=True,
            liveness=min(self.judged(values), 1),
            limits=self.limits,
        )
        return self.reply(wire.search.FoundByImage, found, **values)

    def compared(self, body: Mapping[str, Any]) -> Response:
        """Compare the largest face of one image with every face of another."""
        done = compare.compare(
            self.caller,
            source=body["sourceImage"],
            target=body["targetImage"],
            threshold=body["threshold"],
            liveness=self.judged(body),
            limits=self.limits,
        )
        return self.reply(wire.search.Compared, done, **body)

    def verified(self, group: str, face: str) -> Response:
        """Compare the largest face of an image with a registered one; the caller decides."""
        body = self.parse(wire.search.Verify)
        done = compare.verify(
            self.caller,
            collection=group,
            face=face,
            image=body["compareImage"],
            liveness=min(self.judged(body), 1),
            limits=self.limits,
        )
        return self.reply(wire.search.Verified, done, **body)

    def judged(self, body: Mapping[str, Any]) -> int:
        """Return of how many faces the request wants to know whether they are spoofs."""
        return 0 if body["spoof_below"] is None else wire.base.MOST_FACES[self.generation]

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Validate the query of a request that also has a body, and return the values."""
        checked = form(data=self.request.query_params)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    @property
    def limits(self) -> ImageLimits:
        """The bounds of images in this generation."""
        return _LIMITS[self.generation]


class V1View(NhnView):
    """The base of v1.0's endpoints; the tenant's profile selects the generation of the contract (decision H1)."""

    def find_caller(self, request: Request, **origin: str) -> Caller:
        """Return the caller; a tenant may let the id alone give access, as production does (decision H3)."""
        if request.headers.get("Authorization"):
            return super().find_caller(request, **origin)
        return access.caller_for_id(self.kwargs["app_key"], _permits_without_secret, **origin)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then read the generation from the tenant's profile."""
        super().initial(request, *args, **kwargs)
        self.generation = errors.of_profile(DIALECT.profile(self.caller.tenant.profiles))


class V2View(NhnView):
    """The base of v2.0's endpoints, which also take forms (contract 3.6)."""

    parser_classes = [Json, Form]
    generation: errors.Generation = "v2.0"


def _permits_without_secret(profiles: Mapping[str, Any]) -> bool:
    return DIALECT.profile(profiles) == WITHOUT_SECRET


_PATH = {
    "app_key": "The key's id. Its secret goes into the header Authorization.",
    "group": "A group's id.",
    "face": "A face's id.",
}


def described(
    operation: str,
    path: str,
    answer: Body | None = None,
    *,
    generation: errors.Generation = "prerelease",
    **shapes: Any,
) -> Callable[[F], F]:
    """Describe a method; `path` lists its path parameters besides the key."""
    return openapi.described(
        operation,
        answer=wire.base.enveloped(answer) if answer else wire.base.Done,
        refusal=wire.base.Refusal,
        refused=possible(errors.ANSWERS, generation),
        path={name: _PATH[name] for name in ("app_key", *path.split())},
        **shapes,
    )


class UnknownView(NhnView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
