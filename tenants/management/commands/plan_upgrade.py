"""manage.py plan_upgrade: says of each migration that is not applied yet whether it may run while the services do."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants import online, schema


class Command(BaseCommand):
    """Plan an upgrade."""

    help = "List pending migrations; exits with 1 if one of them needs the services stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        pending = {name: online.reasons(name) for name in schema.pending()}
        for name, reasons in pending.items():
            self.stdout.write(f"{name}: {'; '.join(reasons) or 'online'}")
        if any(pending.values()):
            message = "Stop the services before `migrate`: the version that serves cannot go on meanwhile."
            raise CommandError(message)
        self.stdout.write(
            "Migrate while the services run, then restart them host by host." if pending else "Up to date."
        )
