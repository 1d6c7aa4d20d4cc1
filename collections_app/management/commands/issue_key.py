"""manage.py issue_key TENANT [--name …] [--scopes …]: make an API key and show it, once."""

from argparse import ArgumentParser
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError

from collections_app.dialects import key_places
from collections_app.dialects.descriptor import Part
from collections_app.errors import CollectionDeleted, CollectionNotFound, InvalidRequest
from collections_app.operations.keys import issue_key
from tenants.access import USUAL_SCOPES, Scope, system
from tenants.management.options import tenant_named


class Command(BaseCommand):
    """Make an API key."""

    help = "Make an API key; its secret is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the tenant, and the key's name, scopes and limits."""
        scopes = [str(scope) for scope in Scope]
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("--name", default="command line")
        parser.add_argument("--networks", nargs="+", default=[], help="addresses or networks it may be used from")
        parser.add_argument("--collections", nargs="+", help="the names of those it may reach; default: all")
        parser.add_argument("--requests-per-minute", type=int)
        parser.add_argument("--calls-per-day", type=int)
        parser.add_argument("--signs", action="store_true", help="for clients that sign with the secret: it is kept")
        parser.add_argument("--scopes", nargs="+", choices=scopes, default=sorted(USUAL_SCOPES))

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it and show it."""
        tenant = tenant_named(options["tenant"])
        try:
            issued = issue_key(
                system(tenant, "issue_key"),
                name=options["name"],
                scopes=options["scopes"],
                collections=options["collections"],
                networks=options["networks"],
                requests_per_minute=options["requests_per_minute"],
                calls_per_day=options["calls_per_day"],
                signs=options["signs"],
            )
        except (CollectionNotFound, CollectionDeleted) as error:
            message = f"{tenant.slug} has no collection {error.name!r}; make it with create_collection."
            raise CommandError(message) from None
        except InvalidRequest as error:
            message = f"--{error.field.replace('_', '-')}: {error.problem}."
            raise CommandError(message) from None
        places = {part: key_places(part, signs=issued.key.signs) for part in get_args(Part)}
        whole = "" if issued.key.signs else f"Whole key:  {issued.token}\n    {places['key']}\n"
        kept = "The server keeps the secret, encrypted, because its clients only sign with it. " * issued.key.signs
        self.stdout.write(
            f"{whole}Id:         {issued.key.pk}\n    {places['id']}\n"
            f"Secret:     {issued.secret}\n    {places['secret']}\n{kept}It is not shown again."
        )
