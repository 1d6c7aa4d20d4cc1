"""manage.py problems DIALECT: print a dialect's errors; docs/problems.md has those of the native API."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand

from collections_app.dialects import DIALECTS
from collections_app.dialects import __name__ as folder
from collections_app.dialects.base import Answer


class Command(BaseCommand):
    """Print the table that the dialect answers from."""

    help = "Print a table of a dialect's errors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the dialect."""
        parser.add_argument("dialect", choices=[dialect.name for dialect in DIALECTS])

    def handle(self, *args: Any, dialect: str, **options: Any) -> None:
        """Print a row for each code, by status, with the members that it adds."""
        errors = import_module(f"{folder}.{dialect}.errors")
        facts: Mapping[type[Exception], tuple[str, ...]] = getattr(errors, "FACTS", {})
        members: dict[Answer, dict[str, None]] = {}
        for error, entry in errors.ANSWERS.items():
            for answer in _answers(entry):
                members.setdefault(answer, {}).update(dict.fromkeys(facts.get(error, ())))
        self.stdout.write("| code | status | meaning | members |\n|---|---|---|---|")
        for answer in sorted(members, key=lambda one: (one.status, str(one.code), one.text)):
            named = ", ".join(f"`{name}`" for name in members[answer])
            self.stdout.write(f"| `{answer.code}` | {answer.status} | {answer.text} | {named} |")


def _answers(entry: Any) -> Iterator[Answer]:
    """Yield an entry's answers: itself, or one for each endpoint or generation of the contract."""
    yield from entry.values() if isinstance(entry, Mapping) else [entry]
