"""Groups, and the registration of faces."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.nhn import wire
from collections_app.dialects.nhn.views.base import V1View, described
from collections_app.operations import collections


class GroupsView(V1View):
    """/groups."""

    @described("createGroup", "", body=wire.groups.CreateGroup)
    def post(self, request: Request, **_: str) -> Response:
        """Create a group. Only vectors are kept, not images, unless the group's policy is changed later."""
        body = self.parse(wire.groups.CreateGroup)
        collections.create_collection(self.caller, name=body["groupId"], **wire.groups.policy(self.generation))
        return self.reply()

    @described("listGroups", "", wire.groups.Groups, parameters=[wire.base.Page])
    def get(self, request: Request, **_: str) -> Response:
        """List the groups, by id."""
        cursor = wire.base.cursor(self.parse(wire.base.Page), self.caller.tenant)
        page = collections.page_collections(self.caller, limit=cursor.limit, after=cursor.place or "")
        return self.reply(wire.groups.Groups, page, tenant=self.caller.tenant, cursor=cursor)


class GroupView(V1View):
    """/groups/{group-id}."""

    @described("getGroup", "group", wire.groups.GroupDetail)
    def get(self, request: Request, group: str, **_: str) -> Response:
        """Describe a group."""
        return self.reply(wire.groups.GroupDetail, collections.get_collection(self.caller, name=group))

    @described("deleteGroup", "group")
    def delete(self, request: Request, group: str, **_: str) -> Response:
        """Delete a group."""
        collections.delete_collection(self.caller, name=group)
        return self.reply()

    @described("registerFaces", "group", wire.faces.Registered, body=wire.faces.Register)
    def post(self, request: Request, group: str, **_: str) -> Response:
        """Register the largest faces of an image."""
        body = self.parse(wire.faces.Register if self.generation == "prerelease" else wire.faces.RegisterToday)
        return self.registered(group, body)
