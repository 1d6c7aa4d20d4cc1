"""The middleware of pages: a dialect's request skips it.

In MIDDLEWARE it stands between `begin` and `end`. Sessions, second factors, languages and the like mean nothing to a
program with an API key, and they would cost more than the rest of Django. Hooks such as `process_view` are not
skipped; they know a dialect's view by its exemption from CSRF.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]

PAGE = re.compile(r"/(?:console|account|capture|operator|admin|docs|static)(?:/|$)|/$")
_inner: list[Handler] = []  # the handler behind `end`: Django makes a chain from its inner end


def begin(get_response: Handler) -> Handler:
    """Let a page's request go on, and a dialect's go straight to `end`."""
    inner = _inner.pop()

    def answer(request: HttpRequest) -> HttpResponse:
        return (get_response if PAGE.match(request.path_info) else inner)(request)

    return answer


def end(get_response: Handler) -> Handler:
    """Mark where the middleware of all requests begins again."""
    _inner.append(get_response)
    return get_response
