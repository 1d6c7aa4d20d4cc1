"""Pixels to vectors to neighbours. No other package imports ONNX Runtime (import-linter checks this)."""

import os

# ONNX Runtime's package sends telemetry unless this is set before its first import: it keeps a device id under the
# user's cache folder and looks up its maker's host in DNS. Importing anything from this package runs this file first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# NumPy's matrix products run on the calling thread, as the models do: processes already run in parallel, and threads of
# several processes that wait for each other take more processor time than they save. Read when NumPy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
