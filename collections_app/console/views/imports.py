"""Import of many pictures, an archive or a list into a collection."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from collections_app.console.base import FormView
from collections_app.console.forms import ImportForm
from collections_app.operations import imports
from collections_app.operations.collections import Alias, get_collection
from collections_app.operations.imports import ImportOptions
from tenants.access import Scope


class ImportView(FormView):
    """A form for files; imports.js sends them some at a time, without it they go in one request.

    Each request but the last leads back here with the job in the address; the last one starts it, and leads to it.
    """

    needs = Scope.ENROL
    template = "console/import.html"
    section = "collections"
    form = ImportForm

    def show(self, form: Form, *, status: int = 200, **where: Any) -> HttpResponse:
        """Show the form."""
        collection = get_collection(self.caller, name=Alias(where["alias"]))
        return self.page(status, form=form, collection=collection, tab="people")

    def submit(self, form: Form, **where: Any) -> HttpResponse:
        """Add the files to the import, and start it if they are the last."""
        values = dict(form.cleaned_data)
        job, start = values.pop("job"), values.pop("start")
        files = [(str(file.name), file.read()) for file in self.request.FILES.getlist("files")]
        if not files:
            raise ValidationError(_("Choose pictures, an archive or a list."))
        if not job:
            options = ImportOptions(**values)
            job = imports.begin_import(self.caller, collection=Alias(where["alias"]), options=options).id
        imports.add_files(self.caller, job=job, files=files)
        if not start:
            return redirect(f"{self.link('import', **where)}?job={job}")
        imports.start_import(self.caller, job=job)
        return self.done(_("The import has begun."), "job", job=job)
