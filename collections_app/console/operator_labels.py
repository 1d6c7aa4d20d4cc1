"""What the operator's pages call kinds of work, entries of the schedule, checks, and states of the index."""

from django.utils.translation import gettext_lazy as _

WORK = {
    "job": _("imports and exports"),
    "erasure": _("erasures"),
    "health": _("health reports"),
    "index": _("index builds"),
    "delivery": _("webhook deliveries"),
}
FAILURES = {"health": _("Health report"), "delivery": _("Webhook delivery")}
SCHEDULE = {
    "verify-audits": _("verify audit logs"),
    "forget": _("forget what is past its time"),
    "pulse": _("sign of life"),
    "verify-templates": _("verify templates"),
    "purge": _("finish erasures"),
    "examine": _("restart health reports"),
    "calibrate": _("calibrate scores"),
    "compact": _("build indexes"),
    "sweep": _("remove unused index files"),
    "purge-searches": _("shorten search and request logs"),
    "sweep-images": _("remove images without a face"),
    "expire": _("erase faces past their retention"),
    "work": _("work on jobs"),
    "deliver": _("deliver webhooks"),
}
CHECKS = {
    "settings": _("settings"),
    "secrets": _("secrets"),
    "database": _("database"),
    "schema": _("schema"),
    "database_server": _("database server"),
    "row_level_security": _("row-level security"),
    "master_key": _("master key"),
    "models": _("models"),
    "model_files": _("model files"),
    "disk": _("disk"),
    "storage": _("image storage"),
    "broker": _("message broker"),
    "workers": _("workers"),
    "index": _("index"),
    "audit_log": _("audit log"),
    "audit_chain": _("audit chain"),
    "background": _("background work"),
    "backups": _("backups"),
    "cores": _("cores"),
    "memory": _("memory"),
    "shared_memory": _("shared memory"),
    "limits": _("system limits"),
    "clock": _("clock"),
    "database_clock": _("clock of the database"),
    "mail": _("mail"),
}
SEVERITIES = {0: _("good"), 1: _("warning"), 2: _("error")}
CONDITIONS = {
    "sound": _("healthy"),
    "missing": _("missing"),
    "damaged": _("damaged"),
    "outdated": _("outdated"),
}
