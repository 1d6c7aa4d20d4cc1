"""Portraits for trying the product out: the demonstration, `conformance` and benchmarks read them. See CREDITS.md."""

from pathlib import Path

SAMPLES = Path(__file__).parent
