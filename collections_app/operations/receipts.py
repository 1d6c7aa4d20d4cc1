"""Verify the signature of a receipt of erasure."""

from dataclasses import dataclass

from collections_app.models import Receipt
from collections_app.operations.erase import get_receipt
from tenants import signing
from tenants.access import Caller, Scope
from tenants.errors import SignatureBroken


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt, and whether its document has the installation's signature; None: it is not signed yet."""

    receipt: Receipt
    genuine: bool | None


def receipt_key(caller: Caller, *, receipt: str) -> str:
    """Return the public key with which a receipt's document was signed, as PEM; empty: it is not signed yet.

    Raises:
        ReceiptNotFound: no receipt within reach has this UUID.
    """
    caller.require(Scope.READ)
    signature = get_receipt(caller, receipt=receipt).document.get("signature", {})
    return signing.public_keys().get(signature.get("key"), "")


def check_receipt(caller: Caller, *, receipt: str) -> Checked:
    """Verify the signature of a receipt's document.

    Raises:
        ReceiptNotFound: no receipt within reach has this UUID.
    """
    caller.require(Scope.READ)
    found = get_receipt(caller, receipt=receipt)
    if found.completed_at is None:
        return Checked(found, None)
    try:
        signing.check(found.document)
    except SignatureBroken:
        return Checked(found, genuine=False)
    return Checked(found, genuine=True)
