"""The manifest of an import: CSV or JSON lines, one picture a row."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from collections_app.jobs.kind import JobFailed

COLUMNS = ("file", "url", "reference", "name", "external_id", "metadata", "consent")
_LONGEST_CELL = 20_000
_MOST_NAMED = 5


def rows(content: io.BufferedReader) -> Iterator[dict[str, str]]:
    """Yield the rows of a manifest, each with every column; the form is told by its first character.

    Raises:
        JobFailed: it is no manifest, or a row has unknown columns or neither `file` nor `url`.
    """
    text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
    try:
        first = text.read(1)
        text.seek(0)
        for number, row in enumerate(_json_lines(text) if first == "{" else _csv(text), start=1):
            yield _checked(row, number)
    except UnicodeDecodeError as error:
        raise JobFailed("The manifest is not UTF-8 text.") from error
    except csv.Error as error:
        raise JobFailed("The manifest is not CSV.") from error


def _csv(text: TextIO) -> Iterator[Mapping[str, Any]]:
    table = csv.DictReader(text, restkey="", strict=True)
    _check_columns(table.fieldnames or ())
    for row in table:
        if "" in row:
            message = f"Row {table.line_num} of the manifest has more cells than its first row."
            raise JobFailed(message)
        yield row


def _json_lines(text: TextIO) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            message = f"Line {number} of the manifest is not a JSON object."
            raise JobFailed(message)
        _check_columns(row)
        yield row


def _check_columns(columns: Any) -> None:  # noqa: ANN401 -- whatever names a row has
    unknown = [str(name)[:64] for name in columns if name not in COLUMNS]
    if unknown or not {"file", "url"} & set(columns):
        found = f"unknown: {', '.join(unknown[:_MOST_NAMED])}" if unknown else "neither file nor url is there"
        message = f"The manifest's columns are {', '.join(COLUMNS)}; {found}."
        raise JobFailed(message)


def _checked(row: Mapping[str, Any], number: int) -> dict[str, str]:
    cells = {name: _cell(row.get(name), name, number) for name in COLUMNS}
    if bool(cells["file"]) == bool(cells["url"]):
        message = f"Row {number} of the manifest needs a file or a url, and not both."
        raise JobFailed(message)
    return cells


def _cell(value: object, name: str, number: int) -> str:
    """Return a cell as text; metadata may be any JSON."""
    if value is None:
        return ""
    if not isinstance(value, str) and name != "metadata":
        value = str(value) if isinstance(value, int) else None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if value is None or len(text) > _LONGEST_CELL or "\0" in text:
        message = f"Row {number} of the manifest: {name} must be text of at most {_LONGEST_CELL} characters."
        raise JobFailed(message)
    return text.strip()
