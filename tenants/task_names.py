"""The names of all tasks: whatever queues one, names it here, and imports no task.

Tasks lie above what they call and above what queues them, so a name is all that these may know of a task.
"""

from enum import StrEnum


class Task(StrEnum):
    """A task, by the name under which the queue knows it. tests/tenants/test_queue.py holds these against Celery's."""

    VERIFY_AUDITS = "tenants.tasks.verify_audits"
    VERIFY_AUDIT = "tenants.tasks.verify_audit"
    FORGET = "tenants.tasks.forget"
    PULSE = "tenants.tasks.pulse"
    COMPACT_GALLERY = "recognition.tasks.compact_gallery"
    REBUILD_INDEX = "recognition.tasks.rebuild_index"
    COMPACT_DUE = "recognition.tasks.compact_due"
    SWEEP_INDEX = "recognition.tasks.sweep_index"
    PURGE_COLLECTION = "collections_app.tasks.purge_collection"
    FINISH_ERASURE = "collections_app.tasks.finish_erasure"
    PURGE_DUE = "collections_app.tasks.purge_due"
    SWEEP_IMAGES = "collections_app.tasks.sweep_images"
    EXPIRE_FACES = "collections_app.tasks.expire_faces"
    VERIFY_TEMPLATES = "collections_app.tasks.verify_templates"
    DELIVER_DUE = "collections_app.tasks.deliver_due"
    EXAMINE_COLLECTION = "collections_app.tasks.examine_collection"
    EXAMINE_DUE = "collections_app.tasks.examine_due"
    PURGE_SEARCHES = "collections_app.tasks.purge_searches"
