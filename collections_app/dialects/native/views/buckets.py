"""Buckets from which requests may take images."""

import re

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import buckets as wire
from collections_app.errors import InvalidRequest
from collections_app.operations import buckets

_NAME = re.compile(r"[0-9A-Za-z.\-_]{3,255}")


class BucketsView(NativeView):
    """/buckets."""

    @described("listBuckets", "", errors.WHOLE_TENANT, answer=wire.Buckets)
    def get(self, request: Request) -> Response:
        """List the buckets from which requests may take images."""
        return Response(wire.Buckets({"buckets": buckets.list_buckets(self.caller)}).data)


class BucketView(NativeView):
    """/buckets/{bucket}."""

    @described("putBucket", "bucket", errors.WHOLE_TENANT, body=wire.PutBucket, answer=wire.Bucket)
    def put(self, request: Request, bucket: str) -> Response:
        """Let requests take images from your bucket, with these credentials; the secret is kept, encrypted."""
        if not _NAME.fullmatch(bucket):
            raise InvalidRequest("bucket", "must have 3 to 255 letters, digits, dots, hyphens or underscores")
        return Response(wire.Bucket(buckets.put_bucket(self.caller, name=bucket, **self.parse(wire.PutBucket))).data)

    @described("deleteBucket", "bucket", errors.WHOLE_TENANT, status=204, answer=None)
    def delete(self, request: Request, bucket: str) -> Response:
        """Take no more images from a bucket, and delete its credentials here."""
        buckets.delete_bucket(self.caller, name=bucket)
        return Response(status=204)
