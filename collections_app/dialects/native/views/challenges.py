"""Liveness challenges."""

from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.native import errors
from collections_app.dialects.native.views.base import NativeView, described
from collections_app.dialects.native.wire import challenges as wire
from collections_app.errors import ChallengeUnusable, ImageRefused
from collections_app.operations import challenges


class ChallengesView(NativeView):
    """/liveness-challenges."""

    @described("startLivenessChallenge", answer=wire.Challenge, status=201)
    def post(self, request: Request) -> Response:
        """Start a challenge: moves to ask of a person, to be answered within 30 seconds."""
        return Response(wire.Challenge(challenges.start_challenge(self.caller)).data, status=201)


class ChallengeAnswerView(NativeView):
    """/liveness-challenges/answer."""

    @described(
        "answerLivenessChallenge",
        "",
        errors.IMAGE,
        (ChallengeUnusable, ImageRefused),
        body=wire.Answer,
        answer=wire.Answered,
    )
    def post(self, request: Request) -> Response:
        """Judge the pictures that answer a challenge; it raises the bar for impostors, and is not certified."""
        body = self.parse(wire.Answer)
        done = challenges.answer_challenge(self.caller, challenge=body["id"], frames=body["frames"])
        return Response(wire.Answered(done).data)
