"""manage.py conformance DIALECT --base-url URL --credentials name=value …: hold a live server against a contract."""

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
        parser.add_argument("dialect", choices=known)
        parser.add_argument(
            "--base-url", required=True, help="before each path of the contract, as in http://localhost:8000"
        )
        parser.add_argument("--credentials", nargs="+", default=[], metavar="NAME=VALUE")

    def handle(self, *, dialect: str, base_url: str, credentials: list[str], **_: Any) -> None:
        """Print a line a case, and under it where the answer differs."""
        contract = conformance.load(CONTRACTS / dialect)
        given = dict(pair.partition("=")[::2] for pair in credentials)
        missing = set(contract.credentials) - given.keys()
        if missing:
            message = f"--credentials must name {', '.join(sorted(missing))}."
            raise CommandError(message)
        run = conformance.Run(contract, base_url.rstrip("/"), given, IMAGES)
        agreed = sum(self._printed(case, run.differences(case)) for case in contract.cases)
        self.stdout.write(f"{agreed} of {len(contract.cases)} cases agree")
        if agreed < len(contract.cases):
            message = f"{len(contract.cases) - agreed} differ"
            raise CommandError(message)

    def _printed(self, case: conformance.Case, differences: list[conformance.Difference]) -> bool:
        self.stdout.write(f"{'differs' if differences else 'agrees ':<8}{case.name:<40}{case.about}")
        for found in differences:
            self.stdout.write(
                f"        step {found.step}, {found.where}: expected {found.expected!r}, found {found.found!r}"
            )
        return not differences
