"""The examples of every dialect, for the tests that run over all of them: one module each, of the dialect's name.

They are not in the dialect's folder: they need the tests' clients and ids, and the product has no use for them.
"""

from importlib import import_module

from collections_app.dialects import DIALECTS
from tests.dialects.examples.descriptor import Examples

EXAMPLES: dict[str, Examples] = {
    dialect.name: import_module(f"{__name__}.{dialect.name}").EXAMPLES for dialect in DIALECTS
}
