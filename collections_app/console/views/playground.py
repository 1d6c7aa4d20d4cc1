"""The playground: try the API's operations with an image."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import get_script_prefix

from collections_app.console import previews
from collections_app.console.base import ConsoleView
from collections_app.console.errors import explain
from collections_app.console.playground_forms import CompareForm, DetectForm, EnrolForm, SearchForm, VerdictForm
from collections_app.operations import captures, compare
from collections_app.operations.collections import get_collection, list_collections
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.pictures import picture_at
from collections_app.operations.search import search_by_image
from collections_app.operations.thresholds import explain_threshold
from recognition.similarity import Threshold
from tenants.access import Scope
from tenants.captures import Verb, page_of
from tenants.links import absolute

ACTIONS = ("detect", "compare", "search", "enrol")
LIVENESS = "liveness"  # on the page that captures are made with; the others have a form


class PlaygroundView(ConsoleView):
    """The page with the forms."""

    needs = Scope.SEARCH
    template = "console/playground.html"
    section = "playground"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the forms."""
        names = _names(self)
        wanted = request.GET.get("action", "search" if names else "detect")
        action = wanted if wanted in {*ACTIONS, LIVENESS} else "detect"
        done = request.GET.get("capture", "") if action == LIVENESS else ""
        return self.page(
            action=action,
            actions=[name for name in (*ACTIONS, LIVENESS) if name != "enrol" or Scope.ENROL in self.caller.scopes],
            form=None if action == LIVENESS else _form(self, action),
            capture=captures.get_capture(self.caller, capture=done) if done else None,
            collections=names,
            chosen=request.GET.get("collection", ""),
        )


class TryView(ConsoleView):
    """Run one operation."""

    needs = Scope.SEARCH
    section = "playground"

    def post(self, request: HttpRequest, action: str) -> HttpResponse:
        """Run it and show the result."""
        if action not in ACTIONS:
            raise Http404
        form = _form(self, action, request.POST, request.FILES)
        if not form.is_valid():
            return self._shown(self.page(400, "console/playground/_invalid.html", form=form))
        context = getattr(self, f"_{action}")(**form.cleaned_data)
        host = request.build_absolute_uri(get_script_prefix()).rstrip("/")
        raw = previews.answers(self.caller, action, context["result"], host=host)
        return self.page(template=f"console/playground/_{action}.html", answers=raw, **context)

    def refused(self, error: Exception) -> HttpResponse:
        """Show the error in the result pane."""
        return self._shown(super().refused(error))

    def _shown(self, answer: HttpResponse) -> HttpResponse:
        """Set the status to 200, because htmx does not show errors."""
        if self.request.htmx:  # type: ignore[attr-defined]  # HtmxMiddleware's
            answer.status_code = 200
        return answer

    def _detect(self, *, image: bytes) -> dict[str, Any]:
        return {"result": compare.detect(self.caller, image=image)}

    def _compare(self, *, image: bytes, second: bytes) -> dict[str, Any]:
        result = compare.compare(self.caller, source=image, target=second)
        best = result.faces[0].score if result.faces else None
        verdict = None if best is None else _verdict(self, score=best, threshold=result.threshold.score)
        return {"result": result, "verdict": verdict}

    def _search(self, *, image: bytes, collection: str) -> dict[str, Any]:
        result = search_by_image(
            self.caller, collection=collection, image=image, request_name="playground", largest=True
        )
        record = result.record
        meaning = explain_threshold(self.caller, threshold=record.applied, faces=record.gallery_size, pack=record.pack)
        return {"result": result, "meaning": meaning}

    def _enrol(self, *, image: bytes, collection: str, name: str, consent: str) -> dict[str, Any]:
        person = PersonDetails(name=name)
        done = enrol_face(self.caller, collection=collection, image=image, person=person, consent=consent)
        return {"result": done, "collection": get_collection(self.caller, name=collection)}


class CaptureView(ConsoleView):
    """Begin a liveness challenge on the page for captures, which comes back to the playground."""

    needs = Scope.SEARCH

    def post(self, request: HttpRequest) -> HttpResponse:
        """Give the member's browser a token and send it there."""
        back = f"{absolute(self.link('playground'))}?action={LIVENESS}"
        return redirect(page_of(captures.ask_capture(self.caller, verb=Verb.LIVENESS, return_url=back)))


class PictureView(ConsoleView):
    """Fetch the image at a URL for the form; the page itself may not contact other servers."""

    needs = Scope.SEARCH

    def post(self, request: HttpRequest) -> HttpResponse:
        """Fetch it."""
        picture = picture_at(self.caller, url=request.POST.get("url", ""))
        return HttpResponse(picture.content, content_type=picture.kind, headers={"Cache-Control": "no-store"})

    def refused(self, error: Exception) -> HttpResponse:
        """Explain the error in plain text, for the script."""
        status, sentence = explain(error)
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")


class VerdictView(ConsoleView):
    """Whether two faces count as one person at a threshold; requested while the slider moves."""

    needs = Scope.SEARCH
    template = "console/playground/_verdict.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the verdict and the false match rate."""
        form = VerdictForm(request.GET)
        if not form.is_valid():
            raise Http404
        return self.page(verdict=_verdict(self, **form.cleaned_data))


def _verdict(view: ConsoleView, *, score: float, threshold: float) -> dict[str, Any]:
    meaning = explain_threshold(view.caller, threshold=Threshold(threshold), faces=1)
    form = VerdictForm(initial={"score": score, "threshold": threshold})
    return {"score": score, "same": score >= threshold, "meaning": meaning, "form": form}


def _names(view: ConsoleView) -> list[str]:
    return [found.name for found in list_collections(view.caller)]


def _form(view: ConsoleView, action: str, *sent: Any) -> Any:
    if action in {"search", "enrol"}:
        kind = SearchForm if action == "search" else EnrolForm
        return kind(*sent, collections=_names(view))
    return (DetectForm if action == "detect" else CompareForm)(*sent)
