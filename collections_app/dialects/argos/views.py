"""Argos Face ID's endpoints: parse, operate, render."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.argos import errors, wire
from collections_app.dialects.argos.dialect import DIALECT
from collections_app.dialects.base import Answer, DialectView, shown
from collections_app.dialects.openapi import described, possible
from collections_app.operations import data_subject, enrol, erase, faces, search
from tenants import keys
from tenants.errors import MissingKey

_PAGE = 50
_MATCHES = 100  # decision R4

F = TypeVar("F", bound=Callable[..., Any])


class ArgosView(DialectView):
    """The base of Argos's endpoints. `endpoints` has the contract's operation by HTTP method."""

    dialect = DIALECT
    endpoints: ClassVar[dict[str, errors.Endpoint]] = {}

    def credentials(self, request: Request) -> tuple[str, str]:
        """Return the key from x-api-key."""
        token = request.headers.get("x-api-key", "")
        if not token:
            raise MissingKey
        return keys.split(token)

    def answer(self, error: Exception) -> Answer | None:
        """Return the error's answer at this endpoint."""
        return errors.answer(error, self.endpoint)

    def internal_error(self) -> Answer:
        """Return the endpoint's unspecified error with status 500."""
        return errors.internal(self.endpoint)

    @property
    def endpoint(self) -> errors.Endpoint | None:
        """The contract's operation of the request's method; HEAD is a GET."""
        method = self.request.method or ""
        return self.endpoints.get("GET" if method == "HEAD" else method)

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render {errorCode, message}."""
        return Response(wire.Refusal(answer).data, status=answer.status)


def _described(operation: str, endpoint: errors.Endpoint, **shapes: Any) -> Callable[[F], F]:
    refused = [*possible(errors.ANSWERS, endpoint), *errors.FIELDS[endpoint].values()]
    return described(operation, refusal=wire.Refusal, refused=refused, **shapes)


class FacesView(ArgosView):
    """/faces."""

    endpoints: ClassVar = {"POST": "add", "GET": "list", "DELETE": "delete"}

    @_described("addFace", "add", body=wire.AddFace, answer=wire.AddedFace)
    def post(self, request: Request) -> Response:
        """Add a face to a collection."""
        body = self.parse(wire.AddFace)
        done = enrol.enrol_face(
            self.caller,
            collection=body["collectionId"],
            image=body["faceImage"],
            person=data_subject.PersonDetails(name=body["userName"]),
        )
        return Response(shown(wire.AddedFace, done))

    @_described("listFaces", "list", parameters=[wire.ListFaces], answer=wire.FaceList)
    def get(self, request: Request) -> Response:
        """List a collection's faces, 50 a page."""
        query = self.parse(wire.ListFaces)
        offset = (query["page"] - 1) * _PAGE
        page = faces.list_faces(
            self.caller, collection=query["collectionId"], limit=_PAGE, offset=offset, term=query.get("term", "")
        )
        return Response(wire.FaceList(page).data)

    @_described("deleteFace", "delete", parameters=[wire.DeleteFace], answer=wire.DeletedFace)
    def delete(self, request: Request) -> Response:
        """Delete a face from a collection."""
        query = self.parse(wire.DeleteFace)
        erase.delete_face(self.caller, collection=query["collectionId"], face=query["faceId"])
        return Response(wire.DeletedFace({}).data)


class SearchView(ArgosView):
    """/search."""

    endpoints: ClassVar = {"POST": "search"}

    @_described("searchFace", "search", body=wire.SearchFace, answer=wire.FoundFaces)
    def post(self, request: Request) -> Response:
        """Find the faces of a collection that match an image: all of them up to 100, best first."""
        body = self.parse(wire.SearchFace)
        found = search.search_by_image(
            self.caller,
            collection=body["collectionId"],
            image=body["faceImage"],
            limit=_MATCHES,
            request_name=body["requestName"],
        )
        return Response(shown(wire.FoundFaces, found))


class UnknownView(ArgosView):
    """Any other path; answered in the dialect's envelope, with or without a key."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer that the path is unknown."""
        raise NotFound
