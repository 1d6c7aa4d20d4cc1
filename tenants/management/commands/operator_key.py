"""manage.py operator_key issue NAME | list | revoke ID: the keys of the operator's programs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tenants import operators
from tenants.access import Scope
from tenants.models import OperatorKey


class Command(BaseCommand):
    """Issue, list and revoke operators' keys."""

    help = "Issue, list or revoke a key with which a program manages tenants."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do."""
        deeds = parser.add_subparsers(dest="deed", required=True)
        issue = deeds.add_parser("issue")
        issue.add_argument("name")
        issue.add_argument("--read-only", action="store_true", help="to see tenants and usage, not to change them")
        issue.add_argument("--networks", nargs="+", default=[], help="addresses or networks it may be used from")
        deeds.add_parser("list")
        deeds.add_parser("revoke").add_argument("id")

    def handle(self, *args: Any, deed: str, **options: Any) -> None:
        """Do it."""
        if deed == "issue":
            scopes = {Scope.READ} if options["read_only"] else operators.SCOPES
            try:
                _, whole = operators.issue(options["name"], scopes=scopes, networks=options["networks"])
            except ValueError as error:
                raise CommandError(str(error)) from None
            self.stdout.write(f"Key:  {whole}\n    x-api-key at /api/v1/operator. It is not shown again.")
        elif deed == "list":
            for key in OperatorKey.objects.order_by("created_at"):
                state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "valid"
                self.stdout.write(f"{key.pk}  {key.name}  {' '.join(key.scopes)}  {state}")
        elif not OperatorKey.objects.filter(pk=options["id"], revoked_at=None).update(revoked_at=timezone.now()):
            raise CommandError("There is no such key that is valid.")
