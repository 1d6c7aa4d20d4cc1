"""One OpenAPI document for each dialect, with Swagger UI and ReDoc from packaged files."""

from django.conf import settings
from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from collections_app.dialects import DIALECTS
from collections_app.dialects.descriptor import Dialect


def _pages(dialect: Dialect) -> list[URLPattern]:
    name, title = dialect.name, dialect.title
    contract = f"The {title} contract, as Faceplane implements it. Change the base URL and the keys, nothing else."
    schemes = {kind: scheme for way in dialect.ways for kind, scheme in way.items()}
    document = {
        "TITLE": title,
        "DESCRIPTION": dialect.description or contract,
        "VERSION": settings.VERSION,
        "SERVERS": [{"url": f"{settings.URL_PREFIX}/{dialect.prefix.rstrip('/')}"}],
        "APPEND_COMPONENTS": {"securitySchemes": schemes},
        "SECURITY": [{kind: [] for kind in way} for way in dialect.ways],  # any one of these; all schemes within one
    }
    schema = SpectacularJSONAPIView.as_view(urlconf=dialect.urls, custom_settings=document)
    swagger = SpectacularSwaggerSplitView.as_view(url_name=f"openapi-{name}", title=title)
    redoc = SpectacularRedocView.as_view(url_name=f"openapi-{name}", title=title)
    return [
        path(f"{name}/openapi.json", schema, name=f"openapi-{name}"),
        path(f"{name}/", swagger, name=f"swagger-{name}"),
        path(f"{name}/redoc/", redoc, name=f"redoc-{name}"),
    ]


urlpatterns = [page for dialect in DIALECTS for page in _pages(dialect)]
