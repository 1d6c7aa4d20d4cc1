"""The base of the face database's endpoints: credentials -> caller, error -> {code, message}; and unknown paths."""

import base64
import binascii
from functools import partial
from typing import Any

from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects import openapi
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.facedb import errors
from collections_app.dialects.facedb.dialect import DIALECT
from collections_app.dialects.facedb.wire import base as wire
from collections_app.dialects.openapi import possible
from recognition.images import ImageLimits
from tenants import keys
from tenants.errors import MissingKey, UnknownKey

_UNAUTHORIZED = 401
LIMITS = ImageLimits(formats=("JPEG", "PNG", "BMP"))  # the documents name JPEG; the vendor's client sends BMP too


class FacedbView(DialectView):
    """The base of the face database's endpoints. A node is one of the tenant's collections (decision N6)."""

    dialect = DIALECT

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from HTTP Basic: id and secret, or the whole key as a user name without a password.

        The vendor's client sends Basic only when the password is empty (contract 2.2).
        """
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise MissingKey
        try:
            user, _, password = base64.b64decode(pair, validate=True).decode("ascii").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise UnknownKey from None
        if not user.isprintable():
            raise UnknownKey
        return (user, password) if password else keys.split(user)

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer with the code of the tenant's profile."""
        caller = getattr(self, "caller", None)
        return errors.answer(error, DIALECT.profile(caller.tenant.profiles) if caller else "")

    def internal_error(self) -> Answer:
        """Return code 502."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {code, message}; a 401 also asks for credentials."""
        headers = {"WWW-Authenticate": 'Basic realm="facedb"'} if answer.status == _UNAUTHORIZED else None
        refusal = {"code": answer.code, "message": errors.message(answer, error)}
        return Response(wire.Refusal(refusal).data, status=answer.status, headers=headers)


described = partial(openapi.described, refusal=wire.Refusal, refused=possible(errors.ANSWERS))


class UnsupportedView(FacedbView):
    """The contract's calls for video: channels, regions of interest and streams."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the function is not supported."""
        raise MethodNotAllowed(request.method or "")


class UnknownView(FacedbView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
