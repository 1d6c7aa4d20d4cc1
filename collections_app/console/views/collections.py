"""Collections: list, creation, policy, index, do-not-enrol list, deletion."""

from typing import Any

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from collections_app.console import charts
from collections_app.console.base import ConsoleView, FormView
from collections_app.console.export_forms import ExportForm
from collections_app.console.forms import AimForm, DoNotEnrolForm, NewCollectionForm, PolicyForm, TypedNameForm
from collections_app.operations import collections, do_not_enrol, exports
from collections_app.operations.index import index_state, rebuild
from collections_app.operations.members import is_owner
from collections_app.operations.thresholds import aim_threshold, explain_threshold, packs_on_offer
from tenants.access import Scope
from tenants.scope import as_id

_FACES_IN_AN_EXAMPLE = 1000
_SCORE_DIGITS = 3
_PAGE = 60
_LISTED = 100


class CollectionsView(ConsoleView):
    """The list of collections."""

    template = "console/collections.html"
    fragment = "console/_collections.html"
    section = "collections"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show a page of them by name, each with its false match rate."""
        found_page = collections.page_collections(self.caller, limit=_PAGE, after=request.GET.get("after", ""))
        listed = [
            (
                found,
                explain_threshold(
                    self.caller, threshold=found.threshold, faces=found.gallery.size, pack=found.pack, collection=found
                ),
            )
            for found in found_page.collections
        ]
        after = found_page.collections[-1].name if found_page.more else None
        return self.page(collections=listed, after=after)


class NewView(FormView):
    """Create a collection."""

    needs = Scope.ADMIN
    template = "console/collection_new.html"
    section = "collections"

    def blank(self, **where: Any) -> Form:
        """Offer the packs."""
        return NewCollectionForm(packs=packs_on_offer(self.caller))

    def filled(self, **where: Any) -> Form:
        """Offer the packs."""
        return NewCollectionForm(self.request.POST, packs=packs_on_offer(self.caller))

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Create it."""
        made = collections.create_collection(self.caller, **form.cleaned_data)
        return self.done(_("The collection is ready."), "collection", alias=made.alias)


class CollectionView(FormView):
    """A collection and its policy."""

    needs_to_change = Scope.ADMIN
    template = "console/collection.html"
    section = "collections"
    form = PolicyForm

    def blank(self, **where: Any) -> Form:
        """Show the current policy."""
        return PolicyForm(initial=self._policy(where["alias"]))

    def filled(self, **where: Any) -> Form:
        """Compare the submitted values with the current policy."""
        return PolicyForm(self.request.POST, initial=self._policy(where["alias"]))

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Change only the fields that differ: a score is shown with fewer digits than are stored."""
        alias, changes = (
            collections.Alias(where["alias"]),
            {name: form.cleaned_data[name] for name in form.changed_data},
        )
        collection = collections.update_collection(self.caller, collection=alias, **changes)
        return self.done(
            _("The policy is saved. It applies from the next request."), "collection", alias=collection.alias
        )

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Render the policy with the effect of its threshold."""
        collection = collections.get_collection(self.caller, name=collections.Alias(where["alias"]))
        faces = collection.gallery.size or _FACES_IN_AN_EXAMPLE
        meaning = explain_threshold(
            self.caller, threshold=collection.threshold, faces=faces, pack=collection.pack, collection=collection
        )
        curve = charts.false_match_curve(meaning.curve, score=meaning.score, rate=meaning.rate)
        index = index_state(self.caller, collection=collection.name)
        shown: dict[str, Any] = {
            "meaning": meaning,
            "curve": curve,
            "index": index,
            "may_export": is_owner(self.caller),
        }
        return self.page(status, form=form, collection=collection, tab="policy", **shown)

    def _policy(self, alias: str) -> dict[str, Any]:
        collection = collections.get_collection(self.caller, name=collections.Alias(alias))
        scores = {"similarity_threshold": collection.threshold, "similarity_floor": collection.floor}
        shown = {name: each and round(each.score, _SCORE_DIGITS) for name, each in scores.items()}
        return {name: getattr(collection, name) for name in PolicyForm.base_fields} | shown


class ThresholdView(ConsoleView):
    """The effect of a threshold; requested while the slider moves."""

    template = "console/_threshold.html"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Explain it."""
        collection = collections.get_collection(self.caller, name=collections.Alias(alias))
        form = PolicyForm(request.GET)
        form.is_valid()  # the other fields are missing
        threshold = form.cleaned_data.get("similarity_threshold", collection.threshold)
        faces = collection.gallery.size or _FACES_IN_AN_EXAMPLE
        meaning = explain_threshold(
            self.caller, threshold=threshold, faces=faces, pack=collection.pack, collection=collection
        )
        curve = charts.false_match_curve(meaning.curve, score=meaning.score, rate=meaning.rate)
        return self.page(collection=collection, meaning=meaning, curve=curve)


class AimView(ConsoleView):
    """The threshold for at most one false match in so many searches; requested while the numbers are typed."""

    template = "console/_aim.html"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Say it."""
        collection = collections.get_collection(self.caller, name=collections.Alias(alias))
        form = AimForm({name: request.GET.get(f"aim_{name}") for name in AimForm.base_fields})
        if not form.is_valid():  # half typed
            return self.page()
        aim = aim_threshold(self.caller, collection=collections.Alias(alias), **form.cleaned_data)
        return self.page(collection=collection, aim=aim, faces=form.cleaned_data["faces"])


class IndexView(ConsoleView):
    """The state of the collection's index; polled every two seconds while it is being built."""

    needs_to_change = Scope.ADMIN
    template = "console/_index.html"

    def get(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Show it."""
        collection = collections.get_collection(self.caller, name=collections.Alias(alias))
        return self.page(collection=collection, index=index_state(self.caller, collection=collection.name))

    def post(self, request: HttpRequest, alias: str) -> HttpResponse:
        """Rebuild it."""
        collection = collections.get_collection(self.caller, name=collections.Alias(alias))
        rebuild(self.caller, collection=collection.name)
        return self.done(
            _("The index is being rebuilt. Searches continue meanwhile."), "collection", alias=collection.alias
        )


class DoNotEnrolView(FormView):
    """The collection's do-not-enrol list."""

    needs_to_change = Scope.ADMIN
    template = "console/do_not_enrol.html"
    section = "collections"
    form = DoNotEnrolForm

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Add or remove an entry."""
        change = do_not_enrol.bar if form.cleaned_data["change"] == "add" else do_not_enrol.unbar
        change(self.caller, collection=collections.Alias(where["alias"]), reference=form.cleaned_data["reference"])
        return self.done(_("The do-not-enrol list is changed."), "do_not_enrol", alias=where["alias"])

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the list, a page at a time."""
        alias = collections.Alias(where["alias"])
        after = as_id(self.request.GET.get("after", "")) or 0
        listed = do_not_enrol.list_barred(self.caller, collection=alias, limit=_LISTED, after=after)
        collection = collections.get_collection(self.caller, name=alias)
        return self.page(status, form=form, collection=collection, listed=listed, tab="do_not_enrol")


class ExportView(FormView):
    """Have a collection made into a bundle; only an owner may."""

    needs = Scope.ADMIN
    template = "console/collection_export.html"
    section = "collections"
    form = ExportForm

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Begin the job."""
        wanted = {name: form.cleaned_data[name] for name in ("passphrase", "images")}
        job = exports.begin_export(self.caller, collection=collections.Alias(where["alias"]), **wanted)
        return self.done(
            _("The export has begun. The bundle can be downloaded here when it is done."), "job", job=job.id
        )

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Say what a bundle is."""
        collection = collections.get_collection(self.caller, name=collections.Alias(where["alias"]))
        return self.page(status, form=form, collection=collection, may_export=is_owner(self.caller))


class DeleteView(FormView):
    """Delete a collection; its name must be typed."""

    needs = Scope.ADMIN
    template = "console/collection_delete.html"
    section = "collections"

    def blank(self, **where: Any) -> Form:
        """Ask for the name."""
        return TypedNameForm(name=collections.get_collection(self.caller, name=collections.Alias(where["alias"])).name)

    def filled(self, **where: Any) -> Form:
        """Compare with the name."""
        collection = collections.get_collection(self.caller, name=collections.Alias(where["alias"]))
        return TypedNameForm(self.request.POST, name=collection.name)

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Delete it."""
        collection = collections.get_collection(self.caller, name=collections.Alias(where["alias"]))
        receipt = collections.delete_collection(self.caller, name=collections.Alias(collection.alias))
        done = _("“%(name)s” is deleted; its faces are being erased.") % {"name": collection.name}
        return self.done(done, "receipt", receipt=receipt.uuid)

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show what will be erased."""
        collection = collections.get_collection(self.caller, name=collections.Alias(where["alias"]))
        return self.page(status, form=form, collection=collection)
