"""The Amazon Rekognition dialect."""

from rest_framework.request import Request

from collections_app.dialects.descriptor import Credentials, Dialect
from collections_app.dialects.rekognition import wire

_TARGET = "X-Amz-Target"
SERVICE = "rekognition"


def _operation(request: Request) -> str:
    return request.headers.get(_TARGET, "").removeprefix(wire.base.TARGET)


DIALECT = Dialect(
    name="rekognition",
    label="Amazon Rekognition",
    title="Amazon Rekognition",
    prefix="rekognition/",
    ways=(
        {
            "Signature": {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": "AWS Signature Version 4 with a key that was issued for signing.",
                "x-amazon-apigateway-authtype": "awsSigv4",
            }
        },
    ),
    credentials=Credentials(signs=SERVICE),
    previews={},
    threshold=wire.base.THRESHOLD,
    operation_header=_TARGET,
    operation=_operation,
)
