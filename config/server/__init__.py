"""How HTTP is served: one process that holds the socket, and a few that answer behind it.

    python -m config.server

uvicorn parses HTTP (with h11) and knows nothing of Django; Django is called through WSGI in threads. `bridge` stands
between them: what waits for a client's head or body, or for its taking an answer, waits in the event loop and holds no
thread.
"""
