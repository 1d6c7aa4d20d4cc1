"""The base of NHN's endpoints: key -> caller, result -> envelope, and the OpenAPI description."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.nhn import errors, wire
from collections_app.dialects.nhn.dialect import DIALECT
from collections_app.dialects.openapi import Body, possible
from recognition.images import ImageLimits
from tenants.errors import MissingKey

_SIDE, _SHRUNK = 80, 2048  # the contract's image guide; larger images are scaled, not refused (decision H19)

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = ("PNG", "JPEG")
_LIMITS = {
    "prerelease": ImageLimits(max_bytes=5_000_000, min_side=_SIDE, shrink_to=_SHRUNK, formats=_FORMATS),
    "current": ImageLimits(max_bytes=3_000_000, min_side=_SIDE, shrink_to=_SHRUNK, formats=_FORMATS),
}


class NhnView(DialectView):
    """The base of NHN's endpoints; the tenant's profile selects the generation of the contract (decision H1)."""

    dialect = DIALECT
    profile: errors.Profile = "prerelease"

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key's id from the path and the bare secret from Authorization (decision H3)."""
        key_id, secret = self.kwargs["app_key"], request.headers.get("Authorization", "")
        if not secret:
            raise MissingKey
        return key_id, secret

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then read the generation from the tenant's profile."""
        super().initial(request, *args, **kwargs)
        self.profile = errors.profile(DIALECT.profile(self.caller.tenant.profiles))

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer."""
        return errors.answer(error, self.profile)

    def internal_error(self) -> Answer:
        """Return InternalServerError."""
        return errors.internal(self.profile)

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render the envelope without data."""
        return Response(wire.base.Refusal({"header": answer}).data, status=answer.status)

    def reply(self, body: type[Serializer[Any]] | None = None, result: object = None, **context: Any) -> Response:
        """Render a success in the envelope; without a body, the envelope alone."""
        answer = {"header": wire.base.SUCCESS[self.profile], "data": result}
        shape = wire.base.enveloped(body) if body else wire.base.Done
        return Response(shape(answer, context=context | {"profile": self.profile}).data)

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Validate the query of a request that also has a body, and return the values."""
        checked = form(data=self.request.query_params)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    @property
    def limits(self) -> ImageLimits:
        """The bounds of images in this generation."""
        return _LIMITS[self.profile]


_PATH = {
    "app_key": "The key's id. Its secret goes into the header Authorization.",
    "group": "A group's id.",
    "face": "A face's id.",
}


def described(operation: str, path: str, answer: Body | None = None, **shapes: Any) -> Callable[[F], F]:
    """Describe a method; `path` lists its path parameters besides the key."""
    return openapi.described(
        operation,
        answer=wire.base.enveloped(answer) if answer else wire.base.Done,
        refusal=wire.base.Refusal,
        refused=possible(errors.ANSWERS, "prerelease"),
        path={name: _PATH[name] for name in ("app_key", *path.split())},
        **shapes,
    )


class UnknownView(NhnView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
