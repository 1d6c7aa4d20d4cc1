"""manage.py shadow RECORDING --dialect NAME --base-url URL --credentials id=… secret=…: compare us with a vendor."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string
from django.utils import timezone

from collections_app import shadow
from collections_app.dialects import DIALECTS

READ = {dialect.name: dialect for dialect in DIALECTS if dialect.verdict}


class Command(BaseCommand):
    """Replay a recording."""

    help = "Send a vendor's recorded requests to a server with our credentials, and report where the answers differ."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the recording, the server and the reports."""
        parser.add_argument("recording", type=Path, help="a HAR file, or JSON lines")
        parser.add_argument("--dialect", choices=sorted(READ), required=True)
        parser.add_argument("--base-url", required=True, help="of our server, as in http://localhost:8000")
        parser.add_argument("--credentials", nargs=2, required=True, metavar="NAME=VALUE", help="id=… secret=…")
        for whose in ("vendor", "our"):
            why = "from which similarity its clients take a match, if the answers do not decide"
            parser.add_argument(f"--{whose}-threshold", type=float, default=0.0, help=why)
        parser.add_argument("--people", type=Path, help="a JSON file: the vendor's name of a person to ours")
        parser.add_argument("--html", type=Path, help="write the report to this page")
        parser.add_argument("--json", type=Path, help="write the report to this file")

    def handle(self, *, recording: Path, dialect: str, base_url: str, **options: Any) -> None:
        """Send, compare and report."""
        credentials = dict(pair.partition("=")[::2] for pair in options["credentials"])
        if credentials.keys() != {"id", "secret"}:
            message = "--credentials must name id and secret."
            raise CommandError(message)
        thresholds = (options["vendor_threshold"], options["our_threshold"])
        people = _people(options["people"])
        run = shadow.Run(READ[dialect], base_url.rstrip("/"), credentials, thresholds, people)
        try:
            report = run.report(shadow.read(recording)).as_json()
        except shadow.Unreadable as error:
            message = f"{error.file} {error.problem}."
            raise CommandError(message) from None
        if options["json"]:
            options["json"].write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
        if options["html"]:
            options["html"].write_text(_page(report, READ[dialect].label, recording.name), encoding="utf-8")
        self._print(report)

    def _print(self, report: dict[str, Any]) -> None:
        for operation, outcomes in report["outcomes"].items():
            self.stdout.write(operation)
            for outcome, count in sorted(outcomes.items(), key=lambda pair: -pair[1]):
                self.stdout.write(f"{count:>8}  {shadow.OUTCOMES[outcome]}")
        for reason, count in report["left_out"].items():
            self.stdout.write(f"{count:>8}  not sent: {reason}")
        for who, times in report["milliseconds"].items():
            self.stdout.write(f"{who:<8}" + "".join(f"  {share} {value} ms" for share, value in times.items()))
        self.stdout.write(f"{report['agree']} of {report['requests']} answers agree")


def _people(file: Path | None) -> dict[str, str]:
    try:
        known = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError) as error:
        message = f"{file} cannot be read: {error}."
        raise CommandError(message) from None
    if not isinstance(known, dict):
        message = f"{file} holds no JSON object."
        raise CommandError(message)
    return {str(name): str(ours) for name, ours in known.items()}


def _page(report: dict[str, Any], label: str, recording: str) -> str:
    rows = [
        (operation, shadow.OUTCOMES[outcome], count, outcome in shadow.AGREE)
        for operation, outcomes in report["outcomes"].items()
        for outcome, count in sorted(outcomes.items(), key=lambda pair: -pair[1])
    ]
    share = 100 * report["agree"] / report["requests"] if report["requests"] else 0
    values = {"report": report, "rows": rows, "share": share, "label": label, "recording": recording}
    return render_to_string("shadow/report.html", values | {"made_at": timezone.now(), "outcomes": shadow.OUTCOMES})
