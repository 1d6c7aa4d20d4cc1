"""What pages call the words of the platform: scopes, events, audit actions, kinds of targets, states."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from collections_app.console.operator_labels import CHECKS, CONDITIONS, FAILURES, SCHEDULE, SEVERITIES, WORK
from collections_app.dialects import DIALECTS

OUTCOMES = {"match": _("match"), "review": _("review"), "no_match": _("no match"), "spoof": _("refused: liveness")}
EVENTS = {
    "face.enrolled": _("a face is enrolled"),
    "face.deleted": _("faces are erased"),
    "search.matched": _("a search finds a match"),
    "search.review": _("a search is for review"),
    "collection.index_ready": _("an index is built"),
    "collection.calibrated": _("a collection's scores are calibrated"),
    "capture.completed": _("a capture is completed"),
    "audit.alert": _("an alert is raised"),
}
ROLES = {"owner": _("Owner"), "admin": _("Administrator"), "operator": _("Operator"), "auditor": _("Auditor")}
SCOPES = {
    "read": _("Read"),
    "search": _("Search"),
    "enrol": _("Enrol"),
    "delete": _("Erase"),
    "admin": _("Administer"),
    "audit": _("Audit"),
    "scores": _("Scores"),
}
SCOPE_HINTS = {
    "read": _("list and look at faces and people"),
    "search": _("detect, compare and search"),
    "enrol": _("add faces and change people"),
    "delete": _("erase faces and people; with Administer, collections too"),
    "admin": _("collections, policies and keys"),
    "audit": _("read the search log and the audit log"),
    "scores": _("see scores below the threshold, from which a face can be reconstructed"),
}
VIAS = {
    **{dialect.name: dialect.label for dialect in DIALECTS},
    "console": _("this console"),
    "system": _("the system itself"),
}
DEEDS = {"looked": _("looked at"), "searched": _("searched for"), "changed": _("changed")}
GENDERS: Mapping[Any, Any] = {1: _("male"), 2: _("female")}
ACTORS = {"key": _("key"), "user": _("user"), "system": _("system")}
REASONS = {
    "small_face": _("the face is small"),
    "extreme_pose": _("the head is turned too far"),
    "low_sharpness": _("blurred"),
    "too_dark": _("too dark"),
    "too_bright": _("too bright"),
    "cut_by_edge": _("cut off at the edge of the image"),
    "low_confidence": _("hardly recognisable as a face"),
    "unrecognisable": _("not to be told from other faces"),
    "not_human": _("not the face of a human"),
}
ADVICE = {
    "come closer to the middle": _("move the face to the middle of the picture"),
    "move further away": _("move further away from the camera"),
}
DOUBTS = {
    "looks_like_a_picture": _("it looks like a picture of a face"),
    "not_the_same_person": _("the pictures do not show one person"),
    "did_not_turn_as_asked": _("the head did not turn as asked"),
    "did_not_come_closer": _("the face did not come closer"),
    "moves_like_a_flat_picture": _("it moves like a flat picture"),
    "was_sent_before": _("the same picture was sent before"),
}
ERASURES = {
    "face": _("face"),
    "person": _("person"),
    "collection": _("collection"),
    "tenant": _("tenant"),
    "retention": _("faces past their retention period"),
    "templates": _("templates of a former model"),
}
STORES = {
    "face records": _("face records"),
    "people": _("people"),
    "templates": _("templates"),
    "kept answers": _("stored responses"),
    "kept images": _("stored images"),
    "index files": _("index files"),
    "data keys": _("data keys"),
}
SCRUBBED = {
    "sqlite: deleted rows overwritten, write-ahead log truncated": _("deleted rows are overwritten"),
    "postgresql: dead rows vacuumed": _("deleted rows are removed from the files"),
}
FAMILIES = {
    "face": _("faces"),
    "person": _("people"),
    "collection": _("collections"),
    "key": _("keys"),
    "member": _("members"),
    "webhook": _("webhooks"),
    "index": _("indexes"),
    "job": _("jobs"),
    "image": _("stored images"),
    "data_key": _("data keys"),
    "do_not_enrol": _("do-not-enrol lists"),
    "liveness": _("liveness challenges"),
    "capture": _("captures"),
    "model_change": _("changes of models"),
    "tenant": _("the tenant"),
    "bucket": _("buckets"),
    "alert": _("alerts"),
    "audit": _("this log"),
}
ACTIONS = {
    "alert.audit_broken": _("alert: audit log broken"),
    "alert.face_probed": _("alert: too many scores of one face requested"),
    "alert.probing": _("alert: one face searched for too often"),
    "alert.templates_damaged": _("alert: templates damaged"),
    "audit.exported": _("audit log exported"),
    "bucket.removed": _("bucket removed"),
    "bucket.set": _("bucket configured"),
    "capture.issued": _("capture token given"),
    "capture.used": _("capture completed"),
    "collection.calibrated": _("scores calibrated"),
    "collection.created": _("collection created"),
    "collection.deleted": _("collection deleted"),
    "collection.examined": _("collection examined"),
    "collection.exported": _("collection exported"),
    "collection.imported": _("collection imported"),
    "collection.match_judged": _("match marked right or wrong"),
    "collection.looked_below_floor": _("scores below the threshold viewed"),
    "collection.policy_changed": _("policy changed"),
    "collection.renamed": _("collection renamed"),
    "collection.searched": _("collection searched"),
    "data_key.added": _("data key added"),
    "data_key.removed": _("data key removed"),
    "do_not_enrol.added": _("added to the do-not-enrol list"),
    "do_not_enrol.removed": _("removed from the do-not-enrol list"),
    "face.deleted": _("face erased"),
    "face.enrolled": _("face enrolled"),
    "face.expired": _("face erased after its retention period"),
    "face.moved": _("face moved"),
    "face.shown": _("face viewed"),
    "face.verified": _("face verified"),
    "image.listed": _("images listed"),
    "image.viewed": _("image viewed"),
    "index.rebuild_asked": _("index rebuild requested"),
    "job.asked": _("job requested"),
    "job.bundle_read": _("bundle downloaded"),
    "job.cancelled": _("job cancelled"),
    "job.ended": _("job ended"),
    "job.report_read": _("job report read"),
    "job.resumed": _("job resumed"),
    "key.issued": _("key created"),
    "key.revoked": _("key revoked"),
    "key.rotated": _("key rotated"),
    "liveness.challenged": _("liveness challenge answered"),
    "member.invitation_withdrawn": _("invitation withdrawn"),
    "member.invited": _("member invited"),
    "member.joined": _("member joined"),
    "member.removed": _("member removed"),
    "member.role_changed": _("role changed"),
    "model_change.begun": _("change of the model begun"),
    "model_change.compared": _("models compared"),
    "model_change.ended": _("change of the model ended"),
    "model_change.rolled_back": _("change of the model rolled back"),
    "model_change.switched": _("model switched"),
    "person.changed": _("person changed"),
    "person.deleted": _("person erased"),
    "person.exported": _("personal data downloaded"),
    "tenant.changed": _("tenant settings changed"),
    "tenant.created": _("tenant created"),
    "tenant.erased": _("tenant erased"),
    "tenant.exported": _("tenant exported"),
    "tenant.imported": _("tenant imported"),
    "webhook.changed": _("webhook changed"),
    "webhook.created": _("webhook created"),
    "webhook.deleted": _("webhook deleted"),
    "webhook.redelivered": _("webhook delivery repeated"),
    "webhook.switched": _("webhook switched on or off"),
    "webhook.tested": _("test sent to a webhook"),
}
TARGETS = {
    "apikey": _("key"),
    "bulkjob": _("job"),
    "capturetoken": _("capture"),
    "collection": _("collection"),
    "face": _("face"),
    "invitation": _("invitation"),
    "livenesschallenge": _("liveness challenge"),
    "member": _("member"),
    "person": _("person"),
    "searchrecord": _("search"),
    "tenant": _("tenant"),
    "webhook": _("webhook"),
}
PROBLEMS = {
    "address not allowed": _("address not allowed"),
    "malformed": _("malformed URL"),
    "no connection": _("no connection"),
    "not an http or https URL of a plain host": _("not an http or https URL"),
    "port not allowed": _("port not allowed"),
    "too many redirects": _("too many redirects"),
    "took too long": _("took too long"),
    "unknown host": _("unknown host"),
}
JOBS = {"export": _("Export"), "import": _("Import"), "reembed": _("Change of the model")}
JOB_STATES = {
    "waiting": _("waiting"),
    "running": _("running"),
    "done": _("done"),
    "failed": _("failed"),
    "cancelled": _("cancelled"),
}
JOB_OUTCOMES = {
    "enrolled": _("enrolled"),
    "done": _("done"),
    "known": _("known before"),
    "partly": _("without some images"),
    "possible": _("would be enrolled"),
    "refused": _("refused"),
}
REFUSALS = {
    "no_face": _("no face"),
    "several_faces": _("several faces"),
    "low_quality": _("low quality"),
    "unrecognisable": _("not to be told from other faces"),
    "spoof_suspected": _("a picture of a face"),
    "duplicate_face": _("enrolled under another person"),
    "enrolment_barred": _("on the do-not-enrol list"),
    "consent_required": _("no reference to consent"),
    "probing_refused": _("too many duplicates of one face"),
    "undecodable_image": _("damaged, or not an image"),
    "unsupported_format": _("format not accepted"),
    "image_too_large": _("image too large"),
    "image_too_small": _("image too small"),
    "image_url_refused": _("no image at the address"),
    "image_url_timeout": _("its server took too long"),
    "invalid_request": _("a field has an invalid value"),
    "missing_file": _("not in the archive"),
    "not_in_the_manifest": _("not in the manifest"),
    "leads_out_of_the_archive": _("its path leads out of the archive"),
    "not_finished": _("could not be processed"),
}
KEY_ORDERS = {"newest": _("newest first"), "oldest": _("oldest first"), "name": _("by name")}
MODEL_CHANGES = {
    "filling": _("in preparation"),
    "ready": _("ready"),
    "switched": _("switched"),
    "ended": _("ended"),
}
ANSWER_CHANGES = {"lost": _("no longer found"), "gained": _("newly found"), "other": _("another person")}
LABELS: Mapping[str, Mapping[Any, Any]] = {
    "action": ACTIONS,
    "actor": ACTORS,
    "answer_change": ANSWER_CHANGES,
    "check": CHECKS,
    "condition": CONDITIONS,
    "deed": DEEDS,
    "doubt": DOUBTS,
    "erasure": ERASURES,
    "event": EVENTS,
    "failure": JOBS | FAILURES,
    "gender": GENDERS,  # by number
    "job": JOBS,
    "job_outcome": JOB_OUTCOMES,
    "job_state": JOB_STATES,
    "model_change": MODEL_CHANGES,
    "problem": PROBLEMS,
    "reason": REASONS,
    "refusal": REFUSALS,
    "role": ROLES,
    "schedule": SCHEDULE,
    "scope": SCOPES,
    "scrubbed": SCRUBBED,
    "severity": SEVERITIES,
    "store": STORES,
    "target": TARGETS,
    "via": VIAS,
    "work": WORK,
}
