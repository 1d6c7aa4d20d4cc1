"""One OpenAPI document for each dialect, with Swagger UI and ReDoc from packaged files."""

from django.conf import settings
from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

_WHOLE_KEY = {"Key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}
_EITHER = [_WHOLE_KEY, {"Bearer": {"type": "http", "scheme": "bearer"}}]
_SECRET = {"Secret": {"type": "apiKey", "in": "header", "name": "Authorization"}}
_ID_AND_SECRET = {
    "Id": {"type": "apiKey", "in": "header", "name": "X-DF-API-ID"},
    "Secret": {"type": "apiKey", "in": "header", "name": "X-DF-API-SECRET"},
}
_BASIC = {"Basic": {"type": "http", "scheme": "basic"}}

# By dialect: title, the prefix at which it is mounted, and the ways in which its clients may say who they are.
DIALECTS = {
    "native": ("Faceplane", "/api/v1", _EITHER),
    "argos": ("Argos Face ID", "/", [_WHOLE_KEY]),
    "nhn": ("NHN Cloud Face Recognition v1.0", "/nhn-face-reco/v1.0", [_SECRET]),
    "accuauth": ("AccuAuth faceset v2", "/faceset/v2", [_ID_AND_SECRET]),
    "facedb": ("NEXTK face database", "/v2/va", [_BASIC]),
}
_NATIVE = (
    "Every operation of the platform in plain REST. The key goes into `x-api-key`, or behind `Authorization: Bearer`. "
    "A list goes on at its `next_cursor`. Scores run from 0 to 100; `false_match_rate` says which share of strangers "
    "reaches one. What is erased is unsearchable at once; the receipt says when nothing of it is left."
)


def _pages(dialect: str) -> list[URLPattern]:
    title, prefix, ways = DIALECTS[dialect]
    vendors = f"The {title} contract, as Faceplane speaks it. Change the base URL and the keys, nothing else."
    document = {
        "TITLE": title,
        "DESCRIPTION": _NATIVE if dialect == "native" else vendors,
        "VERSION": "1.0",
        "SERVERS": [{"url": f"{settings.URL_PREFIX}{prefix}"}],
        "APPEND_COMPONENTS": {"securitySchemes": {name: scheme for way in ways for name, scheme in way.items()}},
        "SECURITY": [{name: [] for name in way} for way in ways],  # one of these, and all that it names
    }
    urls = f"collections_app.dialects.{dialect}.urls"
    schema = SpectacularJSONAPIView.as_view(urlconf=urls, custom_settings=document)
    swagger = SpectacularSwaggerSplitView.as_view(url_name=f"openapi-{dialect}", title=title)
    redoc = SpectacularRedocView.as_view(url_name=f"openapi-{dialect}", title=title)
    return [
        path(f"{dialect}/openapi.json", schema, name=f"openapi-{dialect}"),
        path(f"{dialect}/", swagger, name=f"swagger-{dialect}"),
        path(f"{dialect}/redoc/", redoc, name=f"redoc-{dialect}"),
    ]


urlpatterns = [page for dialect in DIALECTS for page in _pages(dialect)]
