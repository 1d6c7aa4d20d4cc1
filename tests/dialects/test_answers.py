"""Every dialect's table has an entry for every error class."""

import importlib
from collections.abc import Iterator, Mapping
from types import ModuleType

import pytest
from rest_framework import exceptions as drf

from collections_app import dialects
from collections_app import errors as collections
from collections_app.dialects.base import Answer
from recognition import errors as recognition
from tenants import errors as tenants

FAMILIES = {
    collections: collections.CollectionsError,
    recognition: recognition.RecognitionError,
    tenants: tenants.TenantsError,
}
ERRORS = [
    *(
        error
        for module, root in FAMILIES.items()
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, root) and error is not root
    ),
    drf.NotAuthenticated,
    drf.AuthenticationFailed,
    drf.PermissionDenied,
    drf.ParseError,
    drf.UnsupportedMediaType,
    drf.MethodNotAllowed,
    drf.NotFound,
    drf.Throttled,
]
DIALECTS = [dialect.name for dialect in dialects.DIALECTS]


def _errors(dialect: str) -> ModuleType:
    return importlib.import_module(f"collections_app.dialects.{dialect}.errors")


def _answers(entry: object) -> Iterator[object]:
    """Return an entry's answers: itself, or one for each endpoint or generation of the contract."""
    yield from entry.values() if isinstance(entry, Mapping) else [entry]


def test_there_are_dialects_and_errors() -> None:
    assert DIALECTS
    assert {type_.__module__ for type_ in ERRORS} == {*(module.__name__ for module in FAMILIES), drf.__name__}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_has_an_answer_of_its_own_to_an_error(dialect: str, error: type[Exception]) -> None:
    table = _errors(dialect).ANSWERS
    assert error in table, f"{dialect} does not say how it answers {error.__name__}"
    answers = list(_answers(table[error]))
    assert answers
    assert all(isinstance(answer, Answer) for answer in answers)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tables_have_no_entry_for_a_base_class(dialect: str) -> None:
    """Tables have entries for concrete errors, never for their base classes."""
    families = tuple(FAMILIES.values())
    ours = {error for error in _errors(dialect).ANSWERS if issubclass(error, families)}
    assert ours <= set(ERRORS)
