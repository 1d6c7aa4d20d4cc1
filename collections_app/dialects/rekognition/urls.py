"""Amazon Rekognition's operations, all at one path: X-Amz-Target names them (config.operation_header)."""

from django.urls import path, re_path

from collections_app.dialects.rekognition.dialect import DIALECT
from collections_app.dialects.rekognition.views import collections, faces, search, tags, users
from collections_app.dialects.rekognition.views.base import RekognitionView, UnknownView
from collections_app.dialects.rekognition.wire.base import TARGET

_OPERATIONS: dict[str, type[RekognitionView]] = {
    "CreateCollection": collections.CreateCollectionView,
    "DescribeCollection": collections.DescribeCollectionView,
    "ListCollections": collections.ListCollectionsView,
    "DeleteCollection": collections.DeleteCollectionView,
    "IndexFaces": faces.IndexFacesView,
    "ListFaces": faces.ListFacesView,
    "DeleteFaces": faces.DeleteFacesView,
    "DetectFaces": faces.DetectFacesView,
    "SearchFaces": search.SearchFacesView,
    "SearchFacesByImage": search.SearchFacesByImageView,
    "CompareFaces": search.CompareFacesView,
    "CreateUser": users.CreateUserView,
    "DeleteUser": users.DeleteUserView,
    "ListUsers": users.ListUsersView,
    "AssociateFaces": users.AssociateFacesView,
    "DisassociateFaces": users.DisassociateFacesView,
    "SearchUsers": users.SearchUsersView,
    "SearchUsersByImage": users.SearchUsersByImageView,
    "TagResource": tags.TagResourceView,
    "UntagResource": tags.UntagResourceView,
    "ListTagsForResource": tags.ListTagsForResourceView,
}

urlpatterns = [
    *(path(f"#{DIALECT.operation_header}={TARGET}{name}", view.as_view()) for name, view in _OPERATIONS.items()),
    re_path("^", UnknownView.as_view()),
]
