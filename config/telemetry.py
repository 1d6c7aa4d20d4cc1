"""Traces to OTEL_EXPORTER_OTLP_ENDPOINT and errors to SENTRY_DSN, for operators who set them: with optional libraries.

A span has a route, a status and the time of stages, never a path, a query, a body or a header. An error has its class,
where it was raised and the request's id: its message may hold a name, and a frame's variables anything.
"""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from config.requests import current_request_id

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer
    from sentry_sdk.types import Event, Hint

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_INSTALL = "needs a library that is not installed: .venv/bin/pip install -r requirements-telemetry.txt"
_FAILED = 500
_FRAME = ("filename", "function", "module", "lineno", "in_app")  # of a traceback in an error's report
_tracer: "Tracer | None" = None
_started_in = 0  # the id of the process that sends: what sends does not survive a fork


def start() -> None:
    """Begin to send, in each process that serves or works; without the variables nothing is imported.

    Raises:
        ImproperlyConfigured: a variable is set and its library is not installed.
    """
    global _started_in  # noqa: PLW0603 -- set once, in each process
    if _started_in == os.getpid():
        return
    _started_in = os.getpid()
    try:
        if settings.SENTRY_DSN:
            _start_sentry()
        if os.environ.get(_ENDPOINT) or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            _start_traces()
    except ImportError as error:
        message = f"{'SENTRY_DSN' if 'sentry' in str(error) else _ENDPOINT} {_INSTALL}."
        raise ImproperlyConfigured(message) from error


def _start_sentry() -> None:
    import sentry_sdk  # noqa: PLC0415 -- optional
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        settings.SENTRY_DSN,
        release=settings.VERSION,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[LoggingIntegration(level=None)],  # lines of level ERROR, which all unforeseen errors are
        max_breadcrumbs=0,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        before_send=scrubbed,
    )


def scrubbed(event: "Event", hint: "Hint") -> "Event":
    """Return an error's report with what it may hold and nothing else."""
    raised = [
        {
            "type": one.get("type"),
            "module": one.get("module"),
            "stacktrace": {
                "frames": [_kept(frame, _FRAME) for frame in (one.get("stacktrace") or {}).get("frames", [])]
            },
        }
        for one in event.get("exception", {}).get("values", [])
    ]
    record = hint.get("log_record")
    report: Any = _kept(event, ("event_id", "timestamp", "level", "platform", "release", "logger"))
    report |= {"message": record.msg} if record else {}  # without the arguments of the line
    report["exception"] = {"values": raised}
    report["tags"] = {"request_id": current_request_id(), "via": getattr(record, "via", "")}
    return report  # type: ignore[no-any-return]


def _kept(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _start_traces() -> None:
    global _tracer  # noqa: PLW0603 -- set once, when the process starts
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 -- optional
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "faceplane"), "service.version": settings.VERSION}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("faceplane")


def traced(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Send a span of each request, within the trace that its `traceparent` names."""

    def answer(request: HttpRequest) -> HttpResponse:
        if _tracer is None:
            return get_response(request)
        span, leave = _entered("request", request.headers.get("traceparent", ""), server=True)
        try:
            response = get_response(request)
        finally:
            leave()
        # A span that is not ended is not sent: config.server runs a view first without its body, which raises.
        _describe(span, request, response)
        span.end()
        return response

    return answer


def _describe(span: "Span", request: HttpRequest, response: HttpResponse) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415 -- it is installed: there is a span

    match = request.resolver_match
    route, method = (match.route if match else ""), request.method or ""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": response.status_code,
            "faceplane.request_id": current_request_id(),
            "faceplane.refusal": request.META.get("faceplane.refusal", {}).get("error", ""),
        }
    )
    stages: Mapping[str, float] = request.META.get("faceplane.stages", {})
    span.set_attributes({f"faceplane.stage.{name}.ms": round(1000 * spent, 1) for name, spent in stages.items()})
    if response.status_code >= _FAILED:
        span.set_status(StatusCode.ERROR)


def _entered(name: str, traceparent: str, *, server: bool) -> "tuple[Span, Callable[[], None]]":
    """Start a span as the current one; return it, and what ends its being that."""
    from opentelemetry import context, trace  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context.Context())
    kind = trace.SpanKind.SERVER if server else trace.SpanKind.CONSUMER
    span = _tracer.start_span(name, parent, kind)  # type: ignore[union-attr]
    token = context.attach(trace.set_span_in_context(span, parent))
    return span, lambda: context.detach(token)


def hand_over(headers: dict[str, Any]) -> None:
    """Write the current span into a message's headers, so that its task joins the trace."""
    if _tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        TraceContextTextMapPropagator().inject(headers)


def task_begins(task: Any) -> None:  # noqa: ANN401 -- celery's task
    """Begin a task's span, within the trace of the request that queued it."""
    if _tracer is not None:
        task.request.faceplane_span = _entered(task.name, getattr(task.request, "traceparent", "") or "", server=False)


def task_ends(task: Any, state: str) -> None:  # noqa: ANN401
    """End it."""
    entered = getattr(task.request, "faceplane_span", None)
    if entered is not None:
        span, leave = entered
        span.set_attribute("faceplane.task.state", state)
        leave()
        span.end()
