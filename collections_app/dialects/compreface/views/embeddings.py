"""Embeddings that a caller sends: what concerns an example takes the scope `scores` (decision C10)."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.compreface import wire
from collections_app.dialects.compreface.views.base import CompreFaceView, described
from collections_app.operations import vectors


class RecogniseView(CompreFaceView):
    """/recognition/embeddings/recognize."""

    @described(
        "recognizeEmbeddings",
        parameters=[wire.images.PredictionCount],
        body=wire.embeddings.Embeddings,
        answer=wire.embeddings.RecognisedVectors,
    )
    def post(self, request: Request) -> Response:
        """Find the subjects whose examples match embeddings."""
        body = self.parse(wire.embeddings.Recognise)
        sent, limit = body["embeddings"], body["prediction_count"]
        found = vectors.search_by_vectors(self.caller, collection=self.collection, vectors=sent, limit=limit)
        return Response(wire.embeddings.RecognisedVectors(found, context={"sent": sent}).data)


class VerifyFaceView(CompreFaceView):
    """/recognition/embeddings/faces/{image_id}/verify."""

    @described("verifyEmbeddings", "face", body=wire.embeddings.Embeddings, answer=wire.embeddings.ComparedVectors)
    def post(self, request: Request, face: str) -> Response:
        """Compare embeddings with an example."""
        wanted, sent = wire.faces.image_id(face), self.parse(wire.embeddings.Embeddings)["embeddings"]
        scores = vectors.verify_vectors(self.caller, collection=self.collection, face=wanted, vectors=sent)
        return Response(wire.embeddings.ComparedVectors(scores, context={"sent": sent}).data)


class CompareView(CompreFaceView):
    """/verification/embeddings/verify."""

    @described("compareEmbeddings", body=wire.embeddings.Compare, answer=wire.embeddings.ComparedVectors)
    def post(self, request: Request) -> Response:
        """Compare embeddings with one another; no example is involved."""
        body = self.parse(wire.embeddings.Compare)
        scores = vectors.compare_vectors(self.caller, source=body["source"], targets=body["targets"])
        return Response(wire.embeddings.ComparedVectors(scores, context={"sent": body["targets"]}).data)
