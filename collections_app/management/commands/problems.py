"""manage.py problems: print the catalogue of the native API's errors, docs/problems.md."""

from typing import Any

from django.core.management.base import BaseCommand

from collections_app.dialects.native.errors import ANSWERS, FACTS

_INTRODUCTION = """\
# Errors of the native API

`manage.py problems` prints this page from the table that the server answers from; `GET /api/v1/problems` has the
same. An error is a problem document (RFC 9457) with a stable `code`, a `title`, a `request_id`, usually a `detail`
that says which input and how much is allowed, and the members below. `errors` names the wrong fields of an
`invalid_request`. After 429 and 503 nothing was done: repeat the request when `Retry-After` says.

| code | status | meaning | members |
|---|---|---|---|
"""


class Command(BaseCommand):
    """Print the catalogue."""

    help = "Print the native API's errors, as docs/problems.md has them."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a row for each code, by status."""
        members: dict[str, dict[str, None]] = {}
        for error, answer in ANSWERS.items():
            members.setdefault(answer.code, {}).update(dict.fromkeys(FACTS.get(error, ())))  # type: ignore[arg-type]
        rows = {answer.code: (answer.status, answer.text) for answer in ANSWERS.values()}
        self.stdout.write(_INTRODUCTION, ending="")
        for code, (status, text) in sorted(rows.items(), key=lambda row: (row[1][0], row[0])):
            named = ", ".join(f"`{name}`" for name in members[str(code)])
            self.stdout.write(f"| `{code}` | {status} | {text} | {named} |")
