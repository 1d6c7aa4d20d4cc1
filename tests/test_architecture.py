"""Rules of the code base that no linter checks."""

import ast
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from collections_app.console.audit_forms import actions
from collections_app.dialects import DIALECTS
from collections_app.operations.audit import ACTIONS
from tests.conftest import LONGEST
from tests.services import LEFT_OUT

ROOT: Path = settings.BASE_DIR
OURS = [
    file
    for app in ("config", "tenants", "recognition", "collections_app")
    for file in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in file.parts
]


@cache
def _nodes(file: Path) -> tuple[ast.AST, ...]:
    """Return the nodes of a file's syntax tree; several tests walk each."""
    return tuple(ast.walk(ast.parse(file.read_text())))


def _attributes(files: Iterable[Path], names: set[str]) -> list[str]:
    """Return the places that read an attribute with one of the names."""
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files
        for node in _nodes(file)
        if isinstance(node, ast.Attribute) and node.attr in names
    ]


def test_the_unscoped_manager_is_read_only_where_it_may_be() -> None:
    """`.unscoped` reads every tenant's rows: only where every tenant is meant; all may create."""
    allowed = {ROOT / "tenants/scope.py", ROOT / "tenants/access.py", ROOT / "tenants/chaining.py"}
    writes = {"create", "bulk_create", "update_or_create"}
    reads = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in OURS
        if not (
            file in allowed
            or file.name in {"admin.py", "tasks.py"}
            or {"management", "checks", "backup"} & {*file.parts}
        )
        for node in _nodes(file)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "unscoped"
        if node.attr not in writes
    ]
    assert reads == []


def test_a_long_function_says_why_it_is_whole() -> None:
    """A function over 40 lines without its docstring names that number in its docstring, with the reason."""
    long = []
    for file in OURS:
        for node in _nodes(file):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                documented = ast.get_docstring(node, clean=False) or ""
                lines = node.end_lineno - node.lineno + 1 - documented.count("\n") - bool(documented)
                if lines > 40 and "40 lines" not in " ".join(documented.split()):
                    long.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines")
    assert long == []


def test_a_long_file_says_why_it_is_whole() -> None:
    """A file over 300 lines names that number in its docstring, with the reason."""
    texts = {file: file.read_text() for file in [*OURS, *(ROOT / "tests").rglob("*.py")]}
    long = [file for file, text in texts.items() if text.count("\n") > 300]
    assert [file for file in long if "300 lines" not in (ast.get_docstring(ast.parse(texts[file])) or "")] == []


def test_recognition_knows_no_http() -> None:
    """Neither requests nor answers; what a pack's source or a benchmark fetches is no request of ours."""
    served = ("django.http", "django.shortcuts", "django.urls", "django.views", "rest_framework")
    found = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in OURS
        if (ROOT / "recognition") in file.parents
        for node in _nodes(file)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if name.startswith(served)
    ]
    assert found == []


# Names of earlier versions for a collection, a tombstone, a body, a lock, a rate … that a reader had to guess.
PRIVATE = {
    *("allowance", "apart", "came", "dressed", "graves", "home", "regroup", "rivals", "said", "separation", "shut"),
    *("soon", "strained", "worn"),
}


def test_no_name_is_a_private_word() -> None:
    named = {
        (file.relative_to(ROOT).as_posix(), name.strip("_").lower())
        for file in OURS
        for node in _nodes(file)
        for name in (file.stem, getattr(node, "name", None), getattr(node, "arg", None), getattr(node, "id", None))
        if isinstance(name, str)
    }
    assert [place for place in sorted(named) if place[1] in PRIVATE] == []


LOGIN = {"account.py", "auth.py"}  # the console's own users and their second factors, which belong to no tenant
INTERFACES = [
    file for file in OURS if {"dialects", "console"} & set(file.relative_to(ROOT).parts) and file.name not in LOGIN
]


def test_dialects_and_console_use_no_orm() -> None:
    """Dialects and console read attributes of what operations return; they build no query and write no row."""
    assert _attributes(INTERFACES, {"objects", "unscoped", "save", "bulk_create"}) == []


def test_dialects_and_console_read_no_cosine() -> None:
    """Scores are quantised once, in operations; code that reads a cosine here would reveal it."""
    assert _attributes(INTERFACES, {"cosine", "cosines"}) == []


def test_two_foreign_keys_point_upwards_and_no_other() -> None:
    """docs/decisions/foreign-keys.md says why; being strings, no import contract sees them."""
    order = ("tenants", "recognition", "collections_app")
    models = [model for model in apps.get_models() if model._meta.app_label in order]
    upwards = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}"
        for model in models
        for field in model._meta.get_fields()
        if field.concrete and field.related_model and field.related_model._meta.app_label in order
        if order.index(model._meta.app_label) < order.index(field.related_model._meta.app_label)
    }
    assert upwards == {"recognition.Gallery.collection", "recognition.Embedding.face"}


def _operations() -> list[ast.FunctionDef]:
    folder = ROOT / "collections_app" / "operations"
    trees = [ast.parse(file.read_text()) for file in sorted(folder.glob("*.py"))]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if not node.name.startswith("_") and node.args.kwonlyargs]


@pytest.mark.parametrize("operation", _operations(), ids=lambda operation: operation.name)
def test_an_operation_takes_the_caller_first_and_requires_its_scope_at_once(
    operation: ast.FunctionDef,
) -> None:
    assert [argument.arg for argument in operation.args.args] == ["caller"]
    statements = operation.body[1:] if ast.get_docstring(operation) else operation.body
    assert ast.unparse(statements[0]).startswith("caller.require(Scope.")


def test_every_decision_that_is_cited_can_be_looked_up() -> None:
    """Code and tests name decisions and sections of the contracts; recorded cases do so in what they are about."""
    tests = ROOT / "tests"
    texts = [file.read_text() for file in [*OURS, *tests.rglob("*.py")]]
    texts += [json.loads(file.read_text()).get("about", "") for dialect in DIALECTS for file in dialect.cases.iterdir()]
    known = (ROOT / "collections_app" / "dialects" / "DECISIONS.md").read_text()
    cited = {name for text in texts for name in re.findall(r"\b[ACHFNR]\d{1,2}\b", text)}
    sections = {number for text in texts for number in re.findall(r"\bcontract (\d\.\d)", text)}
    assert cited
    assert sections
    assert [name for name in sorted(cited) if f"\n| {name} | " not in known] == []
    assert [number for number in sorted(sections) if f"**{number}** " not in known] == []


def test_lists_of_test_files_name_files() -> None:
    named = [*(ROOT / "tests" / name for name in LEFT_OUT), *(ROOT / name for name in LONGEST)]
    assert [path for path in named if not path.exists()] == []


def test_the_dialects_are_congruent() -> None:
    """Each dialect is a folder of the same five modules; where two are packages, a view's wire has the view's name."""
    folders = [file.parent for file in (ROOT / "collections_app" / "dialects").glob("*/__init__.py")]
    assert sorted(folder.name for folder in folders) == sorted(dialect.name for dialect in DIALECTS)
    for folder in folders:
        modules = {file.stem for file in folder.glob("*.py")} | {file.parent.name for file in folder.glob("*/*.py")}
        assert modules == {"__init__", "dialect", "urls", "views", "wire", "errors"}
        views, wires = ({file.name for file in folder.glob(f"{name}/*.py")} for name in ("views", "wire"))
        assert views == wires


def test_a_dialect_is_a_folder_and_one_line() -> None:
    """No other place of the product names one, but an importer: not by its folder, nor by its label's first word."""
    folder = ROOT / "collections_app" / "dialects"
    places = [
        file
        for app in ("config", "tenants", "recognition", "collections_app", "templates")
        for kind in ("*.py", "*.html", "*.txt", "*.toml", "*.js")
        for file in (ROOT / app).rglob(kind)
        if "importers" not in file.parts
    ]
    for dialect in DIALECTS:
        words = {dialect.name, *dialect.label.lower().split()[:1]} - {"faceplane"}
        # The native API is our own: "native" is a word of English as well, so it counts as a name or a module.
        found = re.compile(
            r"""["'.]native\b""" if dialect.name == "native" else rf"\b({'|'.join(words)})", re.IGNORECASE
        )
        named = [
            f"{file.relative_to(ROOT).as_posix()}: {line.strip()}"
            for file in places
            if not file.is_relative_to(folder / dialect.name) and "migrations" not in file.parts
            for line in file.read_text().splitlines()
            if found.search(line)
        ]
        if dialect.name == "native":  # a person's record is handed out in its form
            wire = "collections_app.dialects.native.wire.data_subjects"
            named.remove(f"collections_app/console/previews.py: from {wire} import Subject")
        assert len(named) == 1, named
        assert named[0].startswith("collections_app/dialects/__init__.py: ")


def test_a_dialect_s_examples_are_one_module() -> None:
    """No table of the tests has an entry for each dialect: those over every dialect read its examples."""
    folder = ROOT / "tests" / "dialects" / "examples"
    names = {dialect.name for dialect in DIALECTS}
    assert {file.stem for file in folder.glob("*.py")} == names | {"__init__", "descriptor"}
    words = names | {dialect.label for dialect in DIALECTS}
    tables = []
    for file in (ROOT / "tests").rglob("*.py"):
        for node in _nodes(file):
            entries = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.Constant)]
            if isinstance(node, ast.Dict):
                entries = [one for one in node.keys if isinstance(one, ast.Constant)]
            if isinstance(node, ast.Dict | ast.List | ast.Set | ast.Tuple):
                named = {one.value for one in entries if isinstance(one.value, str)} & words
                tables += [f"{file.relative_to(ROOT)}:{node.lineno}"] * (len(named) > 1)
    assert tables == []


def _written() -> set[str]:
    """Return the action of each call that appends to the audit log."""
    calls = [node for file in OURS for node in _nodes(file) if isinstance(node, ast.Call)]
    names = {"audit.record", "audit.record_unchained", "audit.alert"}
    writes = [call for call in calls if ast.unparse(call.func) in names]
    return {ast.literal_eval(call.args[1]) for call in writes}


def test_the_audit_log_is_narrowed_to_what_is_written_and_to_nothing_else() -> None:
    families = {whole: {name for name, _ in each} for _, ((whole, _), *each) in list(actions())[1:]}
    assert set().union(*families.values()) == set(ACTIONS) == _written()
    assert {family: {name for name in ACTIONS if name.startswith(family)} for family in families} == families
