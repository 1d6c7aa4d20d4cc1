"""The web server: one parent process that owns the listening socket, and a few worker processes that answer requests.

    python -m config.server

uvicorn parses HTTP (with h11) and knows nothing of Django; Django runs as a WSGI application in threads. `bridge`
connects the two: waiting for a request's head or body, or for a slow reader of the answer, happens in the event loop
and occupies no thread.

- `__main__`: the parent: opens the socket, starts, watches and replaces the processes.
- `process`: one worker process: loads Django and the models, runs uvicorn.
- `sharing`: shares connections between the processes.
- `connections`: limits on connections: how many, how long idle, how slowly an answer may be read.
- `bridge`: one request: receives the body, waits for a thread, sends the answer.
- `wsgi_call`: the WSGI side: the environ, the call in a thread, its deadline.
- `lanes`: shares threads, body memory and active requests fairly between addresses, keys and tenants.
"""

from config import env


def web_workers() -> int:
    """Return the number of worker processes (WEB_WORKERS): one if an accelerator runs the models (ONNX_PROVIDERS)."""
    most = 1 if env.accelerators("ONNX_PROVIDERS") else 4
    return env.integer("WEB_WORKERS", min(env.cores(), most), least=1)


def web_threads() -> int:
    """Return the number of threads that run Django in each of them (WEB_THREADS)."""
    return env.integer("WEB_THREADS", 16, least=1)
