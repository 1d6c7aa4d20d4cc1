"""Tables that are taken away as a file, with a signed statement beside it."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.db import models, transaction
from django.utils import timezone

from tenants import audit, signing
from tenants.access import Caller

Form: TypeAlias = Literal["csv", "json"]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values; `kind` and `about` are told by the statement, `target` is what the log says of it."""

    kind: Literal["audit", "timeline"]
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    about: Mapping[str, Any]
    target: models.Model | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A file, and a signed statement about it; the statement's `sha256` is the file's digest."""

    name: str
    media_type: str
    content: bytes
    statement: Mapping[str, Any]


def cell(text: str) -> str:
    """Return a cell of a CSV file; one that a spreadsheet would read as a formula gets a leading apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def exported(caller: Caller, table: Table, form: Form) -> Export:
    """Write a table to a file, sign it with the installation's key, and log that. Not an operation."""
    in_csv = form == "csv"
    content = _in_csv(table) if in_csv else json.dumps(table.rows, ensure_ascii=False, indent=1).encode()
    taken = timezone.now()
    by = {"tenant": caller.tenant.slug, "taken_at": taken.isoformat(), "taken_by": f"{caller.kind}:{caller.id}"}
    facts = {"entries": len(table.rows), "sha256": hashlib.sha256(content).hexdigest()}
    statement = signing.signed({"kind": f"faceplane.{table.kind}-export", **by, **table.about, **facts})
    with transaction.atomic():
        audit.record(caller, "audit.exported", table.target, **facts)
    whose = table.target.pk if table.target else caller.tenant.slug
    name = f"{table.kind}-{whose}-{taken:%Y%m%dT%H%M%SZ}.{form}"
    return Export(name, "text/csv" if in_csv else "application/json", content, statement)


def _in_csv(table: Table) -> bytes:
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(table.columns)
    for row in table.rows:
        cells = (row[name] for name in table.columns)
        texts = (
            json.dumps(one, ensure_ascii=False, sort_keys=True) if type(one) is dict else str(one) for one in cells
        )
        sheet.writerow(map(cell, texts))
    return out.getvalue().encode()
