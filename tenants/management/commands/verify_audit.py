"""manage.py verify_audit [--tenant SLUG]: recompute audit chains and report whether each is sound."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants import audit
from tenants.models import Tenant


class Command(BaseCommand):
    """Verify the audit log."""

    help = "Verify the audit log of one tenant or of all; fails if an entry was changed, removed or moved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the tenant."""
        parser.add_argument("--tenant", help="the tenant's slug; without it every tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and report."""
        tenants = Tenant.objects.order_by("slug")
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                message = f"There is no tenant {options['tenant']!r}."
                raise CommandError(message)
        broken = []
        for tenant in tenants:
            found = audit.verify(tenant)
            verdict = "whole" if found.sound else f"BROKEN at entry {found.broken_at}"
            late = f"; {found.late:,} had not been chained in time" if found.late else ""
            self.stdout.write(f"{tenant.slug}: {verdict} ({found.entries:,} sound entries{late})")
            if not found.sound:
                broken.append(tenant.slug)
        if broken:
            message = f"The audit log is not as it was written: {', '.join(broken)}."
            raise CommandError(message)
