"""The native API's endpoints: parse, operate, render.

Over 300 lines, because the whole platform is reached here; each view is a few lines.
"""

from typing import Any

from django.http import HttpResponse
from rest_framework.exceptions import NotFound
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from collections_app.dialects.base import Answer, DialectView
from collections_app.dialects.native import errors, wire
from collections_app.errors import InvalidRequest
from collections_app.operations import (
    audit,
    collections,
    compare,
    enrol,
    erase,
    faces,
    idempotency,
    people,
    regroup,
    search,
    subjects,
)
from collections_app.operations import keys as key_ring
from collections_app.operations import webhooks as hooks
from recognition import packs
from tenants import keys
from tenants.errors import MissingKey

_LONGEST_KEY = 200
_DELIVERIES = 100


class ProblemRenderer(JSONRenderer):
    """JSON under the media type of problem details."""

    media_type = "application/problem+json"


class NativeView(DialectView):
    """An endpoint of the native API."""

    via = "native"
    parser_classes = [JSONParser, MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Find the caller; nothing is called by a name with a NUL in it, and PostgreSQL cannot even be asked."""
        super().initial(request, *args, **kwargs)
        if any("\0" in name for name in kwargs.values()):
            raise NotFound

    def credentials(self, request: Request) -> tuple[str, str]:
        """Read x-api-key, or a bearer token."""
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = request.headers.get("x-api-key", "") or (bearer.strip() if kind.lower() == "bearer" else "")
        if not token:
            raise MissingKey
        return keys.split(token)

    def answer(self, error: Exception) -> Answer | None:
        """Look the error up."""
        return errors.answer(error)

    def internal_error(self) -> Answer:
        """Answer internal_error."""
        return errors.internal()

    def refuse(self, answer: Answer, error: Exception) -> Response:
        """Render a problem document."""
        problem = {
            "type": f"/api/v1/problems#{answer.code}",
            "title": answer.text,
            "status": answer.status,
            "code": answer.code,
            "request_id": self.request.META.get("faceplane.request_id", ""),
        }
        self.request.accepted_renderer = ProblemRenderer()
        self.request.accepted_media_type = ProblemRenderer.media_type
        response = Response(problem | errors.facts(error), status=answer.status)
        if answer.status == 401:  # noqa: PLR2004
            response["WWW-Authenticate"] = 'Bearer realm="faceplane"'
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Keep answers out of caches: they tell of people."""
        done = super().finalize_response(request, response, *args, **kwargs)
        done["Cache-Control"] = "no-store"
        return done


class MeView(NativeView):
    """/me."""

    def get(self, request: Request) -> Response:
        """Say who is asking."""
        return Response(wire.me(self.caller))


class CollectionsView(NativeView):
    """/collections."""

    def get(self, request: Request) -> Response:
        """List collections by name."""
        given = self.parse(wire.Page)
        after = wire.from_cursor(given["cursor"], str) or ""
        page = collections.page_collections(self.caller, limit=given["limit"], after=after)
        following = wire.cursor(page.collections[-1].name) if page.more else None
        return Response({"collections": [wire.collection(one) for one in page.collections], "next_cursor": following})

    def post(self, request: Request) -> Response:
        """Make a collection."""
        given = self.parse(wire.NewCollection)
        name, pack = given.pop("name"), given.pop("pack")
        made = collections.create_collection(self.caller, name=name, pack=pack, **wire.policy(given, pack))
        return Response(wire.collection(made), status=201)


class CollectionView(NativeView):
    """/collections/{collection}."""

    def get(self, request: Request, collection: str) -> Response:
        """Return a collection with its policy."""
        return Response(wire.collection(collections.get_collection(self.caller, name=collection)))

    def patch(self, request: Request, collection: str) -> Response:
        """Change its policy."""
        given = self.parse(wire.Policy)
        pack = collections.get_collection(self.caller, name=collection).pack
        changed = collections.update_policy(self.caller, name=collection, **wire.policy(given, pack))
        return Response(wire.collection(changed))

    def delete(self, request: Request, collection: str) -> Response:
        """Erase it with everybody in it."""
        return Response(wire.receipt(collections.delete_collection(self.caller, name=collection)), status=202)


class PeopleView(NativeView):
    """/collections/{collection}/people."""

    def get(self, request: Request, collection: str) -> Response:
        """List people."""
        given = self.parse(wire.Page)
        after = wire.from_cursor(given["cursor"], int) or 0
        page = subjects.page_people(self.caller, collection=collection, limit=given["limit"], after=after)
        following = wire.cursor(page.people[-1].pk) if page.more else None
        return Response({"people": [wire.person(one) for one in page.people], "next_cursor": following})


class PersonView(NativeView):
    """/collections/{collection}/people/{person}."""

    def get(self, request: Request, collection: str, person: str) -> Response:
        """Return a person."""
        return Response(wire.person(subjects.get_person(self.caller, collection=collection, person=person)))

    def patch(self, request: Request, collection: str, person: str) -> Response:
        """Change what is said of them."""
        details = self.parse(wire.PersonFields)["details"]
        changed = subjects.update_person(self.caller, collection=collection, person=person, details=details)
        return Response(wire.person(changed))

    def delete(self, request: Request, collection: str, person: str) -> Response:
        """Erase them."""
        receipt = people.delete_person(self.caller, collection=collection, person=person)
        return Response(wire.receipt(receipt), status=202)


class PersonExportView(NativeView):
    """/collections/{collection}/people/{person}/export."""

    def get(self, request: Request, collection: str, person: str) -> Response:
        """Return everything about them."""
        return Response(wire.subject(subjects.export_person(self.caller, collection=collection, person=person)))


class PersonMergeView(NativeView):
    """/collections/{collection}/people/{person}/merge."""

    def post(self, request: Request, collection: str, person: str) -> Response:
        """Give somebody else's faces to the person; the other goes."""
        other = self.parse(wire.Merge)["other"]
        kept, gone = (subjects.get_person(self.caller, collection=collection, person=one) for one in (person, other))
        merged = regroup.merge_people(self.caller, collection=collection, person=kept.pk, other=gone.pk)
        return Response(wire.person(merged))


class FacesView(NativeView):
    """/collections/{collection}/faces."""

    def get(self, request: Request, collection: str) -> Response:
        """List faces, newest first."""
        given = self.parse(wire.Page)
        before = wire.from_cursor(given["cursor"], int)
        page = faces.list_faces(self.caller, collection=collection, limit=given["limit"], before=before)
        following = wire.cursor(page.faces[-1].number) if page.more else None
        shown = [wire.face(one) for one in page.faces]
        return Response({"faces": shown, "total": page.total, "next_cursor": following})

    def post(self, request: Request, collection: str) -> Response:
        """Enrol a face, once for each Idempotency-Key."""
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > _LONGEST_KEY or not key.isprintable():
            raise InvalidRequest("Idempotency-Key", f"must have at most {_LONGEST_KEY} printable characters")
        given = self.parse(wire.Enrol)
        done = idempotency.once(
            self.caller,
            key=key,
            fingerprint=wire.fingerprint(request.path, given),
            work=lambda settle: enrol.enrol_face(self.caller, collection=collection, settle=settle, **given),
            render=lambda enrolled: wire.face(enrolled.faces[0]),
        )
        headers = {"Idempotent-Replayed": "true"} if done.replayed else None
        return Response(done.answer, status=201, headers=headers)


class FaceView(NativeView):
    """/collections/{collection}/faces/{face}."""

    def get(self, request: Request, collection: str, face: str) -> Response:
        """Return a face."""
        return Response(wire.face(faces.get_face(self.caller, collection=collection, face=face)))

    def delete(self, request: Request, collection: str, face: str) -> Response:
        """Erase it."""
        return Response(wire.receipt(erase.delete_face(self.caller, collection=collection, face=face)), status=202)


class FaceImageView(NativeView):
    """/collections/{collection}/faces/{face}/image."""

    def get(self, request: Request, collection: str, face: str) -> HttpResponse:
        """Return what was kept of its image."""
        content = subjects.kept_image(self.caller, collection=collection, face=face)
        return HttpResponse(content, content_type=wire.media_type(content))


class SearchView(NativeView):
    """/collections/{collection}/search."""

    def post(self, request: Request, collection: str) -> Response:
        """Find whose face it is."""
        given = self.parse(wire.Search)
        threshold, limit = wire.bar(given), given["limit"]
        if "face" in given:
            found = search.search_by_face(
                self.caller, collection=collection, face=given["face"], limit=limit, threshold=threshold
            )
        else:
            found = search.search_by_image(
                self.caller,
                collection=collection,
                image=given["image"],
                limit=limit,
                threshold=threshold,
                largest=given["largest"],
                request_name=given["name"],
            )
        return Response(wire.found(found))


class VerifyView(NativeView):
    """/collections/{collection}/verify."""

    def post(self, request: Request, collection: str) -> Response:
        """Compare an image with an enrolled face or person."""
        given = self.parse(wire.Verify)
        home = collections.get_collection(self.caller, name=collection)
        if "person" in given:
            verified: Any = subjects.verify_person(
                self.caller, collection=collection, person=given["person"], image=given["image"]
            )
        else:
            verified = compare.verify(self.caller, collection=collection, face=given["face"], image=given["image"])
        return Response(wire.verified(verified.face, home, verified.cosine, wire.bar(given)))


class DetectView(NativeView):
    """/detect."""

    def post(self, request: Request) -> Response:
        """Find the faces of an image."""
        return Response(wire.analysis(compare.detect(self.caller, image=self.parse(wire.WithImage)["image"])))


class CompareView(NativeView):
    """/compare."""

    def post(self, request: Request) -> Response:
        """Compare the largest face of one image with every face of another."""
        given = self.parse(wire.Compare)
        done = compare.compare(self.caller, source=given["source"], target=given["target"])
        return Response(wire.compared(done, wire.bar(given)))


class KeysView(NativeView):
    """/keys."""

    def get(self, request: Request) -> Response:
        """List the keys within reach, the revoked ones too."""
        return Response({"keys": [wire.key(one) for one in key_ring.list_keys(self.caller)]})

    def post(self, request: Request) -> Response:
        """Issue a key; the answer is the only one that shows its secret."""
        return Response(wire.issued(key_ring.issue_key(self.caller, **self.parse(wire.NewKey))), status=201)


class KeyView(NativeView):
    """/keys/{key}."""

    def get(self, request: Request, key: str) -> Response:
        """Return a key."""
        return Response(wire.key(key_ring.get_key(self.caller, key=key)))

    def delete(self, request: Request, key: str) -> Response:
        """Revoke it."""
        return Response(wire.key(key_ring.revoke_key(self.caller, key=key)))


class KeyRotationView(NativeView):
    """/keys/{key}/rotation."""

    def post(self, request: Request, key: str) -> Response:
        """Give it a new secret."""
        keep_until = self.parse(wire.Rotation)["keep_until"]
        return Response(wire.issued(key_ring.rotate_key(self.caller, key=key, keep_until=keep_until)), status=201)


class AuditView(NativeView):
    """/audit."""

    def get(self, request: Request) -> Response:
        """List entries, newest first."""
        given = self.parse(wire.AuditPage)
        before = wire.from_cursor(given["cursor"], int)
        page = audit.list_entries(self.caller, filters=wire.filters(given), before=before, limit=given["limit"])
        following = None if page.before is None else wire.cursor(page.before)
        return Response({"entries": [wire.entry(one) for one in page.entries], "next_cursor": following})


class AuditVerificationView(NativeView):
    """/audit/verification."""

    def get(self, request: Request) -> Response:
        """Recompute the whole chain."""
        found = audit.verify_chain(self.caller)
        return Response({"sound": found.sound, "entries": found.entries, "broken_at": found.broken_at})


class AuditExportView(NativeView):
    """/audit/export."""

    def get(self, request: Request) -> Response:
        """Return entries as a file's text, with the signed statement of what it is."""
        given = self.parse(wire.AuditExport)
        taken = audit.export(self.caller, form=given["form"], filters=wire.filters(given))
        about = {"name": taken.name, "media_type": taken.media_type, "statement": taken.statement}
        return Response({**about, "content": taken.content.decode()})


class ReceiptsView(NativeView):
    """/receipts."""

    def get(self, request: Request) -> Response:
        """List erasures, newest first."""
        given = self.parse(wire.Page)
        before = wire.from_cursor(given["cursor"], int)
        found = list(erase.list_receipts(self.caller, before=before, limit=given["limit"] + 1))
        page = found[: given["limit"]]
        following = wire.cursor(page[-1].pk) if len(found) > len(page) else None
        return Response({"receipts": [wire.receipt(one) for one in page], "next_cursor": following})


class ReceiptView(NativeView):
    """/receipts/{receipt}."""

    def get(self, request: Request, receipt: str) -> Response:
        """Return an erasure and its signed document."""
        return Response(wire.receipt(erase.get_receipt(self.caller, receipt=receipt)))


class WebhooksView(NativeView):
    """/webhooks."""

    def get(self, request: Request) -> Response:
        """List webhooks."""
        return Response({"webhooks": [wire.webhook(one) for one in hooks.list_webhooks(self.caller)]})

    def post(self, request: Request) -> Response:
        """Make a webhook; the answer is the only one that shows its secret."""
        given = self.parse(wire.NewWebhook)
        made = hooks.create_webhook(self.caller, url=given["url"], kinds=given["events"])
        return Response({**wire.webhook(made.webhook), "secret": made.secret}, status=201)


class WebhookView(NativeView):
    """/webhooks/{webhook}."""

    def get(self, request: Request, webhook: str) -> Response:
        """Return a webhook with its newest deliveries."""
        found = hooks.get_webhook(self.caller, webhook=webhook)
        log = hooks.list_deliveries(self.caller, webhook=webhook, limit=_DELIVERIES)
        return Response({**wire.webhook(found), "deliveries": [wire.delivery(one) for one in log]})

    def delete(self, request: Request, webhook: str) -> Response:
        """Stop sending to it."""
        hooks.delete_webhook(self.caller, webhook=webhook)
        return Response(status=204)


class ProblemsView(NativeView):
    """/problems."""

    def get(self, request: Request) -> Response:
        """List every code with its status and what it means."""
        known = {answer.code: {"status": answer.status, "title": answer.text} for answer in errors.ANSWERS.values()}
        return Response({"problems": known, "packs": packs.names()})


class UnknownView(NativeView):
    """Any other path."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Say that there is nothing here."""
        raise NotFound
