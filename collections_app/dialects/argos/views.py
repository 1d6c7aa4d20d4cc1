"""Argos Face ID's endpoints: parse, operate, render."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.argos import errors, wire
from collections_app.dialects.argos.dialect import DIALECT
from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.openapi import described, possible
from collections_app.operations import data_subject, enrol, erase, faces, search
from tenants import keys
from tenants.errors import MissingKey

_PAGE = 50
_MATCHES = 10

F = TypeVar("F", bound=Callable[..., Any])


class ArgosView(DialectView):
    """An endpoint of Argos Face ID. `endpoints` names the contract's operation by HTTP method."""

    dialect = DIALECT
    endpoints: ClassVar[dict[str, errors.Endpoint]] = {}

    def credentials(self, request: Request) -> tuple[str, str]:
        """Read the x-api-key header."""
        token = request.headers.get("x-api-key", "")
        if not token:
            raise MissingKey
        return keys.split(token)

    def answer(self, error: Exception) -> Answer | None:
        """Look the error up for this endpoint."""
        return errors.answer(error, self.endpoints.get(self.request.method or ""))

    def internal_error(self) -> Answer:
        """Answer with the endpoint's unspecified error, and a status that says whose fault it is."""
        return errors.internal(self.endpoints.get(self.request.method or ""))

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
        given = self.parse(wire.AddFace)
        done = enrol.enrol_face(
            self.caller,
            collection=given["collectionId"],
            image=given["faceImage"],
            person=data_subject.PersonDetails(name=given["userName"]),
        )
        return Response(wire.AddedFace(done).data)

    @_described("listFaces", "list", parameters=[wire.ListFaces], answer=wire.FaceList)
    def get(self, request: Request) -> Response:
        """List a collection's faces, 50 a page."""
        given = self.parse(wire.ListFaces)
        offset = (given["page"] - 1) * _PAGE
        page = faces.list_faces(
            self.caller, collection=given["collectionId"], limit=_PAGE, offset=offset, term=given.get("term", "")
        )
        return Response(wire.FaceList(page).data)

    @_described("deleteFace", "delete", parameters=[wire.DeleteFace], answer=wire.DeletedFace)
    def delete(self, request: Request) -> Response:
        """Delete a face from a collection."""
        given = self.parse(wire.DeleteFace)
        erase.delete_face(self.caller, collection=given["collectionId"], face=given["faceId"])
        return Response(wire.DeletedFace({}).data)


class SearchView(ArgosView):
    """/search."""

    endpoints: ClassVar = {"POST": "search"}

    @_described("searchFace", "search", body=wire.SearchFace, answer=wire.FoundFaces)
    def post(self, request: Request) -> Response:
        """Find the faces of a collection that match an image."""
        given = self.parse(wire.SearchFace)
        found = search.search_by_image(
            self.caller,
            collection=given["collectionId"],
            image=given["faceImage"],
            limit=_MATCHES,
            request_name=given["requestName"],
        )
        return Response(wire.FoundFaces(found).data)


class UnknownView(ArgosView):
    """Any other path, in the same envelope, known key or not."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say that there is nothing here."""
        raise NotFound
