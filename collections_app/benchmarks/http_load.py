"""Load a server: `python -m collections_app.benchmarks.http_load`, with a Load as JSON on the standard input.

Each connection is a thread with urllib3, which sends the next request when the last one is answered. It prints the
seconds of each answer, how many were refused, and the CPU seconds that it took itself. It knows no part of the product.
"""

import json
import sys
import threading
import time
from collections import Counter
from itertools import count

import urllib3

_SECONDS = 60.0  # of one request
_GOOD = range(200, 300)


class Load:
    """The requests to one address for some seconds, over a number of connections; `pause` seconds between two."""

    def __init__(
        self,
        *,
        url: str,
        headers: dict[str, str],
        bodies: list[str],
        connections: int,
        seconds: float,
        method: str = "POST",
        pause: float = 0,
        refusals: bool = False,
    ) -> None:
        """Keep what to send; each connection sends the bodies in turn, and starts with another one.

        With `refusals` they are what is measured.
        """
        self._method, self._pause, self._refusals = method, pause, refusals
        self._url = url
        self._headers = headers
        self._bodies = [body.encode() for body in bodies]
        self._connections = connections
        self._seconds = seconds
        self._took: list[float] = []
        self._refused: Counter[int] = Counter()

    def run(self) -> dict[str, object]:
        """Send requests until the time is over; the last ones are still answered and counted."""
        began = time.perf_counter()
        threads = [threading.Thread(target=self._send, args=(n, began)) for n in range(self._connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall = time.perf_counter() - began
        return {"took": self._took, "refused": self._refused, "wall": wall, "cpu": time.process_time()}

    def _send(self, first: int, began: float) -> None:
        with urllib3.PoolManager(retries=False, timeout=_SECONDS) as http:
            for number in count(first):
                body, at = self._bodies[number % len(self._bodies)], time.perf_counter()
                if at - began >= self._seconds:
                    return
                answer = http.request(self._method, self._url, body=body, headers=self._headers)
                if (answer.status in _GOOD) is not self._refusals:
                    self._took.append(time.perf_counter() - at)
                else:
                    self._refused[answer.status] += 1
                time.sleep(self._pause)


if __name__ == "__main__":
    print(json.dumps(Load(**json.load(sys.stdin)).run()))  # noqa: T201 -- the answer to the parent
