"""The change of a collection's model: begin it, compare, switch, roll back, end."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from collections_app.console import charts
from collections_app.console.base import ConsoleView, FormView
from collections_app.console.model_forms import NewModelForm
from collections_app.errors import JobNotFound
from collections_app.operations import model_changes
from collections_app.operations.bulk_jobs import get_bulk_job
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.model_changes import Progress
from collections_app.operations.thresholds import packs_on_offer
from recognition import packs
from tenants.access import Scope

_LISTED = 100


class ModelView(FormView):
    """A collection's model, and its change to another one."""

    needs = Scope.ADMIN
    template = "console/model.html"
    section = "collections"

    def blank(self, **where: Any) -> Form:
        """Offer the other packs."""
        return NewModelForm(packs=self._others(**where))

    def filled(self, **where: Any) -> Form:
        """Offer the other packs."""
        return NewModelForm(self.request.POST, packs=self._others(**where))

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Begin the change."""
        alias = where["alias"]
        model_changes.begin_model_change(self.caller, collection=Alias(alias), **form.cleaned_data)
        return self.done(_("The second gallery is being filled. Searches go on as before."), "model", alias=alias)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the change that is not ended, and what it found; else the form for a new one."""
        alias = Alias(where["alias"])
        collection = get_collection(self.caller, name=alias)
        found = self._found(alias)
        context: dict[str, Any] = {"collection": collection, "form": form, "found": found}
        if found and found.change.state != "ended":
            context["job"] = found.job and get_bulk_job(self.caller, job=str(found.job))
            context["missing"], _after = model_changes.must_come_again(self.caller, collection=alias, limit=_LISTED)
        if found and found.change.comparison:
            context["sides"] = [_drawn(found.change.comparison, side) for side in ("old", "new")]
            context["changed"] = model_changes.changed_answers(self.caller, collection=alias)
        return self.page(status, **context)

    def _found(self, alias: Alias) -> Progress | None:
        try:
            return model_changes.get_model_change(self.caller, collection=alias)
        except JobNotFound:
            return None

    def _others(self, **where: Any) -> tuple[str, ...]:
        present = get_collection(self.caller, name=Alias(where["alias"])).pack
        return tuple(pack for pack in packs_on_offer(self.caller) if pack != present)


class StepView(ConsoleView):
    """A step of a change: compare, switch, roll back or end."""

    needs = Scope.ADMIN

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Do it."""
        where = {"collection": Alias(alias)}
        leave_out = "leave_out" in request.POST
        match request.POST.get("step"):
            case "switch":
                model_changes.switch_model(self.caller, leave_out=leave_out, **where)
                sentence = _("Searches use the new model from now on.")
            case "roll_back":
                model_changes.roll_back_model(self.caller, leave_out=leave_out, **where)
                sentence = _("Searches use the old model again.")
            case "end":
                model_changes.end_model_change(self.caller, **where)
                sentence = _("The change is ended. The templates that searches do not use are being erased.")
            case _step:
                model_changes.compare_again(self.caller, **where)
                sentence = _("The second gallery is being filled. Searches go on as before.")
        return self.done(sentence, "model", alias=alias)


def _drawn(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one pack's side of a comparison, with its histogram, in scores."""
    side = found[name]
    ends = {"low": found["low"], "high": found["high"], "threshold": side["threshold"]}
    score = packs.get(side["pack"]).similarity.score
    at = side["rate_threshold"]
    return dict(side) | {
        "histogram": charts.histogram(side["genuine"], side["impostor"], **ends, pack=side["pack"]),
        "score": float(score(side["threshold"])),
        "rate_score": None if at is None else float(score(at)),
    }
