"""v2.0: production's operations at other paths, without model versions, with JSON bodies or forms (contract 3.6)."""

from functools import partial
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.nhn import wire
from collections_app.dialects.nhn.views import base
from collections_app.dialects.nhn.views.base import V2View
from collections_app.dialects.openapi import Body, either_form
from collections_app.operations import collections, compare, erase, faces, search

_described = partial(base.described, generation="v2.0")


def _either(body: Body) -> dict[str, Any]:
    return {"application/json": body, "multipart/form-data": wire.base.form_of(body)}


class GroupsView(V2View):
    """/groups."""

    @_described("createGroupV2", "", body=either_form(wire.groups.CreateGroup))
    def post(self, request: Request, **_: str) -> Response:
        """Create a group of at most 100,000 faces. Only vectors are kept, not images."""
        body = self.parse(wire.groups.CreateGroup)
        collections.create_collection(self.caller, name=body["groupId"], **wire.groups.policy(self.generation))
        return self.reply()

    @_described("listGroupsV2", "", wire.groups.Groups, parameters=[wire.base.Page])
    def get(self, request: Request, **_: str) -> Response:
        """List the groups, by id."""
        cursor = wire.base.cursor(self.parse(wire.base.Page), self.caller.tenant)
        page = collections.page_collections(self.caller, limit=cursor.limit, after=cursor.place or "")
        return self.reply(wire.groups.Groups, page, tenant=self.caller.tenant, cursor=cursor)


class GroupView(V2View):
    """/groups/{group-id}."""

    @_described("getGroupV2", "group", wire.v2.GroupDetailV2)
    def get(self, request: Request, group: str, **_: str) -> Response:
        """Describe a group."""
        return self.reply(wire.v2.GroupDetailV2, collections.get_collection(self.caller, name=group))

    @_described("deleteGroupV2", "group")
    def delete(self, request: Request, group: str, **_: str) -> Response:
        """Delete a group."""
        collections.delete_collection(self.caller, name=group)
        return self.reply()


class DetectView(V2View):
    """/faces/detect."""

    @_described("detectV2", "", wire.faces.Detected, body=_either(wire.base.Picture))
    def post(self, request: Request, **_: str) -> Response:
        """Find the 20 largest faces of an image."""
        body = self.parse(wire.base.Picture)
        seen = compare.detect(self.caller, image=body["image"], liveness=self.judged(body), limits=self.limits)
        return self.reply(wire.faces.Detected, seen, **body)


class FacesView(V2View):
    """/groups/{group-id}/faces."""

    @_described("registerFacesV2", "group", wire.faces.Registered, body=_either(wire.faces.RegisterToday))
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Register the largest faces of an image."""
        return self.registered(group, self.parse(wire.faces.RegisterToday))

    @_described("listFacesV2", "group", wire.faces.Faces, parameters=[wire.v2.FilteredPage])
    def get(self, request: Request, group: str, **_: str) -> Response:
        """List a group's faces, newest first, or those with a face, image or external image id."""
        cursor = wire.base.cursor(self.parse(wire.v2.FilteredPage), self.caller.tenant, group)
        limit, before, matching = cursor
        page = faces.list_faces(self.caller, collection=group, limit=limit, before=before, matching=matching)
        return self.reply(wire.faces.Faces, page, tenant=self.caller.tenant, cursor=cursor)


class FaceView(V2View):
    """/groups/{group-id}/faces/{face-id}."""

    @_described("deleteFaceV2", "group face")
    def delete(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Delete a face."""
        erase.delete_face(self.caller, collection=group, face=face)
        return self.reply()


class FaceSearchView(V2View):
    """/groups/{group-id}/faces/{face-id}/search."""

    @_described("searchByFaceV2", "group face", wire.search.Found, parameters=[wire.v2.Search])
    def get(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Find the faces most similar to a registered one."""
        query = self.parse(wire.v2.Search)
        found = search.search_by_face(self.caller, collection=group, face=face, **query)
        return self.reply(wire.search.Found, found)


class SearchView(V2View):
    """/groups/{group-id}/faces/search."""

    @_described("searchByImageV2", "group", wire.search.FoundByImage, body=_either(wire.v2.ImageSearch))
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Find the faces most similar to the largest face of an image."""
        return self.found_by_image(group, self.parse(wire.v2.ImageSearch))


class CompareView(V2View):
    """/faces/compare."""

    @_described("compareV2", "", wire.search.Compared, body=_either(wire.v2.CompareV2))
    def post(self, request: Request, **_: str) -> Response:
        """Compare the largest face of one image with every face of another."""
        return self.compared(self.parse(wire.v2.CompareV2))


class VerifyView(V2View):
    """/groups/{group-id}/faces/{face-id}/verify."""

    @_described("verifyV2", "group face", wire.search.Verified, body=_either(wire.search.Verify))
    def post(self, request: Request, group: str, face: str, **_: str) -> Response:
        """Compare the largest face of an image with a registered one; the caller decides."""
        return self.verified(group, face)
