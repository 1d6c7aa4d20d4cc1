"""manage.py doctor [--json] [--url URL]: what of this installation is right, what is not, and what to do."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from config.checks import Check, Finding, Severity, worst
from config.checks.outside import Outside
from config.checks.table import CHECKS

_MARKS = {Severity.OK: "ok     ", Severity.WARNING: "warning", Severity.ERROR: "ERROR  "}


class Command(BaseCommand):
    """Run every check and report; exit with 0 if all is well, 1 after warnings, 2 after errors."""

    help = "Check this installation; the exit status is 0, 1 (warnings) or 2 (errors), as monitoring plugins have it."
    requires_system_checks = ()  # they are among the checks that it reports

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the form, and the public address."""
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--url", help="also check proxy, TLS and headers from outside, at this public address")

    def handle(self, *args: Any, url: str | None, **options: Any) -> None:
        """Check and report."""
        remedy = "Open the address in a browser; compare DNS, firewall, proxy and certificate."
        checks = [*CHECKS, *([Check("outside", Outside(url), remedy=remedy)] if url else [])]
        found = {check.name: check.findings() for check in checks}
        verdict = max(worst(findings) for findings in found.values())
        if options["json"]:
            report = {
                "status": verdict.name.lower(),
                "version": settings.VERSION,
                "checked_at": timezone.now().isoformat(),
                "checks": {name: [_as_json(finding) for finding in findings] for name, findings in found.items()},
            }
            self.stdout.write(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            self._print(found)
        if verdict is not Severity.OK:
            raise SystemExit(int(verdict))

    def _print(self, found: dict[str, tuple[Finding, ...]]) -> None:
        for name, findings in found.items():
            for finding in findings:
                style = (self.style.SUCCESS, self.style.WARNING, self.style.ERROR)[finding.severity]
                self.stdout.write(f"{style(_MARKS[finding.severity])} {name}: {finding.text}")
                for line in filter(None, (finding.detail, finding.remedy and f"-> {finding.remedy}")):
                    self.stdout.write(f"          {line}")


def _as_json(finding: Finding) -> dict[str, str]:
    texts = {"text": finding.text, "remedy": finding.remedy, "detail": finding.detail}
    return {"severity": finding.severity.name.lower(), **{name: text for name, text in texts.items() if text}}
