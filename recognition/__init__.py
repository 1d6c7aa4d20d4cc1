"""Pixels to vectors to neighbours. No other package imports ONNX Runtime (import-linter holds that)."""

import os

# ONNX Runtime's package sends telemetry unless this is set before its first import: it keeps a device id under the
# user's cache folder and asks DNS for its maker's host. Whoever imports it here has imported this file before.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
