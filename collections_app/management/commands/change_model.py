"""manage.py change_model TENANT COLLECTION: change a collection's pack while it answers; without an option say how far.

--to PACK begins, --switch has searches read the new templates, --roll-back the old ones again, --end erases those that
searches do not read.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from collections_app.management import bundles
from collections_app.operations import model_changes
from collections_app.operations.model_changes import Progress
from recognition import packs
from tenants.access import system
from tenants.management.options import tenant_named

_STEPS: Mapping[str, Callable[..., Progress]] = {
    "switch": model_changes.switch_model,
    "roll_back": model_changes.roll_back_model,
}


class Command(BaseCommand):
    """Change a collection's pack."""

    help = "Change the model pack of a collection while it answers; without an option say how far the change is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the collection and one step."""
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("collection")
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--to", metavar="PACK", choices=packs.names(), help="begin: fill a second gallery")
        step.add_argument("--compare", action="store_true", help="fill in what it lacks, and compare again")
        step.add_argument("--switch", action="store_true", help="have searches read the new templates")
        step.add_argument("--roll-back", action="store_true", help="have searches read the old templates again")
        step.add_argument("--end", action="store_true", help="erase the templates that searches do not read")
        parser.add_argument("--retention-days", type=int, default=7, help="how long the old ones are kept (7)")
        parser.add_argument("--false-match-rate", type=float, help="at which both are compared (1e-4)")
        parser.add_argument("--leave-out", action="store_true", help="switch although faces lack a template")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the step, and say how far the change is."""
        tenant = tenant_named(options["tenant"])
        if not 0 <= options["retention_days"] <= model_changes.MOST_DAYS:
            message = f"--retention-days takes 0 to {model_changes.MOST_DAYS}."
            raise CommandError(message)
        with bundles.saying_why():
            found = self._done({"caller": system(tenant, "change_model"), "collection": options["collection"]}, options)
        self._say(found)

    def _done(self, where: dict[str, Any], options: dict[str, Any]) -> Progress:
        caller = where.pop("caller")
        if options["to"]:
            chosen = {name: options[name] for name in ("retention_days", "false_match_rate")}
            return model_changes.begin_model_change(caller, pack=options["to"], **chosen, **where)
        for name, step in _STEPS.items():
            if options[name]:
                return step(caller, leave_out=options["leave_out"], **where)
        if options["compare"]:
            return model_changes.compare_again(caller, **where)
        if options["end"]:
            return model_changes.end_model_change(caller, **where)
        return model_changes.get_model_change(caller, **where)

    def _say(self, found: Progress) -> None:
        change = found.change
        self.stdout.write(
            f"{change.old_pack} to {change.new_pack}: {change.state}; searches use {found.collection.pack}."
        )
        if change.state != change.State.ENDED:
            self.stdout.write(
                f"{found.filled:,} of {found.faces:,} faces have both templates; {found.lacking_people:,} people must "
                f"come again."
            )
        if found.rolls_back_until:
            self.stdout.write(f"It can be rolled back until {found.rolls_back_until:%Y-%m-%d %H:%M} UTC.")
        if change.receipt:
            self.stdout.write(f"The templates that were replaced are erased; receipt {change.receipt}.")
        if compared := change.comparison:
            self._compare(compared)

    def _compare(self, compared: Mapping[str, Any]) -> None:
        self.stdout.write(f"Compared on {compared['faces']:,} faces of {compared['people']:,} people:")
        row = "{:<10} {:>9} {:>8} {:>8} {:>20} {:>8}"
        self.stdout.write(row.format("pack", "threshold", "TAR", "FMR", f"threshold at {compared['rate']:g}", "TAR"))
        for side in (compared["old"], compared["new"]):
            score = packs.get(side["pack"]).similarity.score
            at = side["rate_threshold"]
            self.stdout.write(
                row.format(
                    side["pack"],
                    f"{float(score(side['threshold'])):.1f}",
                    _share(side["tar"]),
                    _share(side["fmr"]),
                    "-" if at is None else f"{float(score(at)):.1f}",
                    _share(side["rate_tar"]),
                )
            )
        counts = ", ".join(f"{count:,} {kind}" for kind, count in compared["changed_counts"].items())
        self.stdout.write(f"Faces whose answer changes: {counts}.")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2g}" if share < 1e-2 else f"{share:.4f}"  # noqa: PLR2004 -- digits to show
