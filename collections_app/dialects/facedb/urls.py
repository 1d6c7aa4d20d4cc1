"""NEXTK's face database and the node calls of its client, under /v2/va/."""

from django.urls import path, re_path

from collections_app.dialects.facedb.views import (
    CreateNodeView,
    GetNodeView,
    GetView,
    ListNodesView,
    ListView,
    MatchView,
    ModifyView,
    RegisterView,
    RemoveNodeView,
    RemoveView,
    UnknownView,
    UnsupportedView,
    UpdateNodeView,
)
from collections_app.dialects.openapi import alias

urlpatterns = [
    path("register-facedb", RegisterView.as_view()),
    path("list-facedb", ListView.as_view()),
    path("get-facedb", GetView.as_view()),
    path("modify-facedb", ModifyView.as_view()),
    path("remove-facedb", RemoveView.as_view()),
    path("matching-face", MatchView.as_view()),
    path(
        "mathing-face", alias(MatchView, post="mathing-face").as_view()
    ),  # as the vendor's client spells it (decision N12)
    path("create-computing-node", CreateNodeView.as_view()),
    path("get-computing-node", GetNodeView.as_view()),
    path("list-computing-node", ListNodesView.as_view()),
    path("update-computing-node", UpdateNodeView.as_view()),
    path(
        "udpate-computing-node", alias(UpdateNodeView, post="udpate-computing-node").as_view()
    ),  # as the vendor's client spells it (decision N12)
    path("remove-computing-node", RemoveNodeView.as_view()),
    re_path("^(control|metadata|[a-z]+-(channel|roi))$", UnsupportedView.as_view()),
    re_path("^", UnknownView.as_view()),
]
