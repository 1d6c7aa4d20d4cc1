"""manage.py conformance DIALECT --base-url URL --credentials name=value …: test a live server against a contract.

manage.py conformance --count: print the number of cases.
manage.py conformance --table: print the cases by endpoint, and their descriptions (dialects/README.md).
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import resolve

from collections_app import conformance
from collections_app.dialects import DIALECTS
from collections_app.samples import SAMPLES

CASES = {dialect.name: dialect.cases for dialect in sorted(DIALECTS, key=lambda dialect: dialect.name)}
_HEAD = """# Recorded cases

A request and the exact answer each; `manage.py conformance` runs them against any server that claims a contract.
DECISIONS.md says what the letters mean: F3, H5. Printed by `manage.py conformance --table`.

## Endpoint by endpoint

"""


class Command(BaseCommand):
    """Run a contract's cases against a server."""

    help = "Run the recorded cases of a vendor's contract against a live server, this one or the vendor's."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the contract, the server and the credentials."""
        parser.add_argument("dialect", choices=list(CASES), nargs="?")
        parser.add_argument(
            "--base-url", default="", help="before each path of the contract, as in http://localhost:8000"
        )
        parser.add_argument("--credentials", nargs="+", default=[], metavar="NAME=VALUE")
        parser.add_argument("--count", action="store_true", help="print how many cases there are, and run none")
        parser.add_argument("--table", action="store_true", help="print what the cases are about, and run none")

    def handle(
        self, *, dialect: str, base_url: str, credentials: list[str], count: bool, table: bool, **_: Any
    ) -> None:
        """Print a line for each case, and the differences below it."""
        if count or table:
            self._count() if count else self._table()
            return
        if not dialect or not base_url:
            message = "Name a dialect and --base-url, or ask for --count."
            raise CommandError(message)
        contract = conformance.load(CASES[dialect])
        values = dict(pair.partition("=")[::2] for pair in credentials)
        missing = set(contract.credentials) - values.keys()
        if missing:
            message = f"--credentials must name {', '.join(sorted(missing))}."
            raise CommandError(message)
        run = conformance.Run(contract, base_url.rstrip("/"), values, SAMPLES)
        cases = [case for case in contract.cases if case.needs <= values.keys()]
        agreed = sum(self._printed(case, run.differences(case)) for case in cases)
        for case in contract.cases:
            if lacking := case.needs - values.keys():
                self.stdout.write(f"{'left out':<10}{case.name:<34}for want of {', '.join(sorted(lacking))}")
        self.stdout.write(f"{agreed} of {len(cases)} cases agree, {len(contract.cases) - len(cases)} were left out")
        if agreed < len(cases):
            message = f"{len(cases) - agreed} differ"
            raise CommandError(message)

    def _count(self) -> None:
        counted = Counter({dialect: len(conformance.load(folder).cases) for dialect, folder in CASES.items()})
        for dialect, cases in counted.items():
            self.stdout.write(f"{dialect:<10}{cases:>4}")
        self.stdout.write(f"{'together':<10}{counted.total():>4}")

    def _table(self) -> None:
        contracts = {dialect: conformance.load(folder) for dialect, folder in CASES.items()}
        self.stdout.write(_HEAD + "| dialect | endpoint | cases that send to it |\n|---|---|---|")
        for dialect, contract in contracts.items():
            sent = Counter(endpoint for case in contract.cases for endpoint in endpoints(case))
            for endpoint, cases in sorted(sent.items()):
                self.stdout.write(f"| {dialect} | `{endpoint}` | {cases} |")
        self.stdout.write("\n## Case by case\n\n| case | about |\n|---|---|")
        for dialect, contract in contracts.items():
            for case in contract.cases:
                self.stdout.write(f"| [{dialect} {case.name}]({dialect}/cases/{case.name}.json) | {case.about} |")

    def _printed(self, case: conformance.Case, differences: list[conformance.Difference]) -> bool:
        self.stdout.write(f"{'differs' if differences else 'agrees':<10}{case.name:<34}{case.about}")
        for found in differences:
            self.stdout.write(
                f"        step {found.step}, {found.where}: expected {found.expected!r}, found {found.found!r}"
            )
        return not differences


def endpoints(case: conformance.Case) -> set[str]:
    """Return our endpoints that a case sends to, as in the URL configuration."""
    return set(_endpoints(case))


def _endpoints(case: conformance.Case) -> Iterator[str]:
    for step in case.steps:
        method, path = step["send"].split(" ", 1)
        found = resolve(path.partition("?")[0])
        if method != "OPTIONS" and hasattr(found.func.view_class, method.lower()):  # type: ignore[attr-defined]  # every dialect's view is one
            yield re.sub(r"<[a-z]+:([a-z_]+)>", r"{\1}", f"{method} /{found.route}")
