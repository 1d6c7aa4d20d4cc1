"""manage.py verify_receipt: check a signed document."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants import signing
from tenants.errors import SignatureBroken


class Command(BaseCommand):
    """Check the signature of a receipt of erasure, or of any other document that this installation signed."""

    help = (
        "Check a signed document, or the API's answer that holds one. With --public-key it needs no database. "
        "Prints what the document says."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and a key of another installation."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--public-key", type=Path, help="PEM of the key that signed (manage.py public_keys)")

    def handle(self, *args: Any, file: Path, public_key: Path | None, **options: Any) -> None:
        """Check it, and print what was signed."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            document = content.get("document", content)  # the API's answer wraps the document
            if document is None:
                message = f"{file}: not signed yet: the erasure is not complete."
                raise CommandError(message)
            signing.check(document, signing.from_pem(public_key.read_bytes()) if public_key else None)
        except OSError as error:
            raise CommandError(str(error)) from error
        except (ValueError, AttributeError, SignatureBroken) as error:
            message = f"{file}: NOT VALID: it was changed, or another installation signed it."
            raise CommandError(message) from error
        erased = document.get("erased", {})
        what = (
            f"{erased['kind']} {erased['id']}, {erased['faces']} faces" if erased else document.get("kind", "document")
        )
        self.stdout.write(f"{file}: valid, signed with key {document['signature']['key']}: {what}")
