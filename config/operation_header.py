"""Gives each operation of a contract with one path a path of its own: Django finds views by path, not by header."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from collections_app.dialects import DIALECTS


def with_operation(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Append `#HEADER=VALUE` to such a contract's path, with or without a slash at its end.

    No client can send it: in any other path below the prefix a decoded `#` is encoded again.
    """
    headers = {f"/{each.prefix.rstrip('/')}": each.operation_header for each in DIALECTS if each.operation_header}

    def answer(request: HttpRequest) -> HttpResponse:
        for place, header in headers.items():
            if request.path_info in {place, f"{place}/"}:
                request.path_info = f"{place}/#{header}={request.headers.get(header, '')}"
            elif request.path_info.startswith(f"{place}/"):
                request.path_info = request.path_info.replace("#", "%23")
        return get_response(request)

    return answer
