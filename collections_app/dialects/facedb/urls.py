"""NEXTK's face database and the node calls of its client, under v2/va/ and v3/va/."""

from django.urls import include, path, re_path

from collections_app.dialects.facedb.views import base, v2, v3
from collections_app.dialects.openapi import alias

# The aliases are spelt as the vendor's client or documents spell them (decision N12).
_V2 = [
    path("register-facedb", v2.RegisterView.as_view()),
    path("list-facedb", v2.ListView.as_view()),
    path("get-facedb", v2.GetView.as_view()),
    path("modify-facedb", v2.ModifyView.as_view()),
    path("remove-facedb", v2.RemoveView.as_view()),
    path("matching-face", v2.MatchView.as_view()),
    path("mathing-face", alias(v2.MatchView, post="mathing-face").as_view()),
    path("create-computing-node", v2.CreateNodeView.as_view()),
    path("get-computing-node", v2.GetNodeView.as_view()),
    path("list-computing-node", v2.ListNodesView.as_view()),
    path("update-computing-node", v2.UpdateNodeView.as_view()),
    path("udpate-computing-node", alias(v2.UpdateNodeView, post="udpate-computing-node").as_view()),
    path("remove-computing-node", v2.RemoveNodeView.as_view()),
]
_V3 = [
    path("add-or-update-feature", v3.AddView.as_view()),
    path("list-feature", v3.ListView.as_view()),
    path("remove-feature", v3.RemoveView.as_view()),
    path("matching-feature", v3.MatchView.as_view()),
    path("mathing-feature", alias(v3.MatchView, post="mathing-feature").as_view()),
    path("inference-image", v3.InferView.as_view()),
]
_VIDEO = [re_path("^(control|metadata|[a-z]+-(channel|roi))$", base.UnsupportedView.as_view())]

urlpatterns = [
    path("v2/va/", include(_V2 + _VIDEO)),
    path("v3/va/", include(_V3 + _VIDEO)),
    re_path("^v[23]/va(?:/|$)", base.UnknownView.as_view()),
]
