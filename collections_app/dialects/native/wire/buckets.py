"""Buckets from which requests may take images."""

from typing import Any

from rest_framework import serializers

from collections_app.dialects.openapi import example
from collections_app.models import Bucket as Row


@example(
    {
        "endpoint": "https://s3.example.com",
        "region": "eu-west-1",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
)
class PutBucket(serializers.Serializer[Any]):
    """PUT /buckets/{bucket}."""

    endpoint = serializers.CharField(max_length=500)
    region = serializers.CharField(max_length=64, default="us-east-1")
    access_key_id = serializers.CharField(max_length=128)
    secret_access_key = serializers.CharField(max_length=256)


class Bucket(serializers.Serializer[Row]):
    """A bucket, without its secret."""

    name = serializers.CharField()
    endpoint = serializers.CharField()
    region = serializers.CharField()
    access_key_id = serializers.CharField()
    created_at = serializers.DateTimeField()


class Buckets(serializers.Serializer[Any]):
    """The answer to GET /buckets."""

    buckets = Bucket(many=True)
