"""manage.py create_tenant SLUG [NAME] [--owner EMAIL]: create a tenant, and invite its first owner."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.urls import reverse

from collections_app.operations.members import invite
from tenants import invitations
from tenants.access import Caller, system
from tenants.lifecycle import create_tenant
from tenants.links import absolute
from tenants.models import Member, Tenant


class Command(BaseCommand):
    """Create a tenant with its data key and audit chain, and a link for its first owner."""

    help = "Create a tenant; with --owner, print a link for its first owner."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take slug, name and owner."""
        parser.add_argument("slug")
        parser.add_argument("name", nargs="?", default="")
        parser.add_argument("--owner", metavar="EMAIL", help="invite them as the tenant's owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it."""
        slug, secret = options["slug"], ""
        name = options["name"] or slug
        try:
            Tenant(slug=slug, name=name).full_clean(validate_unique=False)
            with transaction.atomic():
                tenant = create_tenant(slug, name)
                if options["owner"]:
                    secret = _invite(system(tenant, "create_tenant"), options["owner"])
        except ValidationError as error:
            wrong = (f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items())
            raise CommandError(" ".join(wrong)) from None
        except IntegrityError:
            message = f"There is a tenant {slug!r} already."
            raise CommandError(message) from None
        self.stdout.write(f"Tenant {tenant.slug} is there (id {tenant.pk}).")
        if secret:
            days, path = invitations.LASTS.days, reverse("console:invitation_link", kwargs={"secret": secret})
            self.stdout.write(f"For {options['owner']}, once and within {days} days: {absolute(path)}")


def _invite(caller: Caller, email: str) -> str:
    try:
        validate_email(email)
    except ValidationError as error:
        raise CommandError(error.message) from None
    return invite(caller, email=email, role=Member.Role.OWNER)
