"""The change of a collection's pack, while it answers."""

from collections.abc import Callable, Mapping

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native.views.base import NativeView, accepted, described
from collections_app.dialects.native.wire import model_changes as wire
from collections_app.dialects.native.wire.base import from_cursor
from collections_app.errors import JobNotFound
from collections_app.operations import model_changes
from collections_app.operations.model_changes import Progress
from recognition.errors import UnknownPack

_STEPS: Mapping[str, Callable[..., Progress]] = {
    "switch": model_changes.switch_model,
    "roll_back": model_changes.roll_back_model,
}


class ModelView(NativeView):
    """/collections/{collection}/model."""

    @described(
        "beginModelChange", "collection", (UnknownPack,), body=wire.NewModel, status=202, answer=wire.ModelChange
    )
    def post(self, request: Request, collection: str) -> Response:
        """Begin to change a collection's pack: a job fills a second gallery while the first one answers.

        It takes the scopes admin and scores.
        """
        found = model_changes.begin_model_change(self.caller, collection=collection, **self.parse(wire.NewModel))
        return accepted(wire.rendered(found), f"jobs/{found.job}")

    @described("getModelChange", "collection", (JobNotFound,), answer=wire.ModelChange)
    def get(self, request: Request, collection: str) -> Response:
        """Return the last change of the collection's pack, with the comparison of both; the look is logged."""
        found = model_changes.get_model_change(self.caller, collection=collection)
        changed = model_changes.changed_answers(self.caller, collection=collection)
        return Response(wire.rendered(found, changed))

    @described("changeModel", "collection", (JobNotFound,), body=wire.Step, answer=wire.ModelChange)
    def patch(self, request: Request, collection: str) -> Response:
        """Have searches read the new pack's templates, or the old ones again; or fill and compare once more."""
        body = self.parse(wire.Step)
        if body["do"] == "compare":
            return Response(wire.rendered(model_changes.compare_again(self.caller, collection=collection)))
        step = _STEPS[body["do"]]
        return Response(wire.rendered(step(self.caller, collection=collection, leave_out=body["leave_out"])))

    @described("endModelChange", "collection", (JobNotFound,), answer=wire.ModelChange)
    def delete(self, request: Request, collection: str) -> Response:
        """End the change: the templates that searches do not read are erased, with a receipt. It takes delete, too."""
        return Response(wire.rendered(model_changes.end_model_change(self.caller, collection=collection)))


class MissingView(NativeView):
    """/collections/{collection}/model/missing."""

    @described("listMissingPeople", "collection", (JobNotFound,), query=wire.Missing, answer=wire.MissingPeople)
    def get(self, request: Request, collection: str) -> Response:
        """List the people who must come again: no image is kept of a face, to make the new template from."""
        query = self.parse(wire.Missing)
        people, after = model_changes.must_come_again(
            self.caller,
            collection=collection,
            after=from_cursor(query["cursor"], int) or 0,
            limit=query["limit"],
        )
        return Response(wire.missing(people, after))
