"""manage.py conformance DIALECT --base-url URL --credentials name=value …: hold a live server against a contract.

manage.py conformance --count: how many cases there are.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from collections_app import conformance

CONTRACTS: Path = settings.BASE_DIR / "tests" / "dialects"
IMAGES: Path = settings.BASE_DIR / "tests" / "images"


class Command(BaseCommand):
    """Run a contract's cases against a server."""

    help = "Run the recorded cases of a vendor's contract against a live server, this one or the vendor's."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask which contract, where, and as whom."""
        known = sorted(folder.parent.name for folder in CONTRACTS.glob("*/contract.json"))
        parser.add_argument("dialect", choices=known, nargs="?")
        parser.add_argument(
            "--base-url", default="", help="before each path of the contract, as in http://localhost:8000"
        )
        parser.add_argument("--credentials", nargs="+", default=[], metavar="NAME=VALUE")
        parser.add_argument("--count", action="store_true", help="print how many cases there are, and run none")

    def handle(self, *, dialect: str, base_url: str, credentials: list[str], count: bool, **_: Any) -> None:
        """Print a line a case, and under it where the answer differs."""
        if count:
            self._count()
            return
        if not dialect or not base_url:
            message = "Name a dialect and --base-url, or ask for --count."
            raise CommandError(message)
        contract = conformance.load(CONTRACTS / dialect)
        given = dict(pair.partition("=")[::2] for pair in credentials)
        missing = set(contract.credentials) - given.keys()
        if missing:
            message = f"--credentials must name {', '.join(sorted(missing))}."
            raise CommandError(message)
        run = conformance.Run(contract, base_url.rstrip("/"), given, IMAGES)
        cases = [case for case in contract.cases if case.needs <= given.keys()]
        agreed = sum(self._printed(case, run.differences(case)) for case in cases)
        for case in contract.cases:
            if lacking := case.needs - given.keys():
                self.stdout.write(f"{'left out':<10}{case.name:<34}for want of {', '.join(sorted(lacking))}")
        self.stdout.write(f"{agreed} of {len(cases)} cases agree, {len(contract.cases) - len(cases)} were left out")
        if agreed < len(cases):
            message = f"{len(cases) - agreed} differ"
            raise CommandError(message)

    def _count(self) -> None:
        counted = Counter(
            {
                folder.parent.name: len(conformance.load(folder.parent).cases)
                for folder in CONTRACTS.glob("*/contract.json")
            }
        )
        for dialect, cases in sorted(counted.items()):
            self.stdout.write(f"{dialect:<10}{cases:>4}")
        self.stdout.write(f"{'together':<10}{counted.total():>4}")

    def _printed(self, case: conformance.Case, differences: list[conformance.Difference]) -> bool:
        self.stdout.write(f"{'differs' if differences else 'agrees':<10}{case.name:<34}{case.about}")
        for found in differences:
            self.stdout.write(
                f"        step {found.step}, {found.where}: expected {found.expected!r}, found {found.found!r}"
            )
        return not differences
