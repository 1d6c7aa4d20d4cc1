"""One OpenAPI document for each dialect, with Swagger UI and ReDoc from packaged files."""

from typing import Any

from django.conf import settings
from django.urls import URLPattern, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.settings import patched_settings
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect


def document(dialect: Dialect) -> str:
    """Return a dialect's document, as JSON."""
    with patched_settings(_settings(dialect)):
        schema = SchemaGenerator(urlconf=dialect.urls).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return OpenApiJsonRenderer().render(schema).decode()


def _settings(dialect: Dialect) -> dict[str, Any]:
    title = dialect.title
    contract = f"The {title} contract, as Faceplane implements it. Change the base URL and the keys, nothing else."
    schemes = {kind: scheme for way in dialect.ways for kind, scheme in way.items()}
    return {
        "TITLE": title,
        "DESCRIPTION": dialect.description or contract,
        "VERSION": settings.VERSION,
        "SERVERS": [{"url": f"{settings.URL_PREFIX}/{dialect.prefix.rstrip('/')}"}],
        "APPEND_COMPONENTS": {"securitySchemes": schemes},
        "SECURITY": [{kind: [] for kind in way} for way in dialect.ways],  # any one of these; all schemes within one
    }


def _pages(dialect: Dialect) -> list[URLPattern]:
    name, title = dialect.name, dialect.title
    schema = SpectacularJSONAPIView.as_view(urlconf=dialect.urls, custom_settings=_settings(dialect))
    swagger = SpectacularSwaggerSplitView.as_view(url_name=f"openapi-{name}", title=title)
    redoc = SpectacularRedocView.as_view(url_name=f"openapi-{name}", title=title)
    return [
        path(f"{name}/openapi.json", schema, name=f"openapi-{name}"),
        path(f"{name}/", swagger, name=f"swagger-{name}"),
        path(f"{name}/redoc/", redoc, name=f"redoc-{name}"),
    ]


urlpatterns = [page for dialect in DIALECTS for page in _pages(dialect)]
