"""The names of all tasks. Code that queues a task uses its name and does not import it.

Tasks are in a layer above the code that queues them, so an import would point the wrong way.
"""

from enum import StrEnum


class Task(StrEnum):
    """A task, by its name in Celery. tests/tenants/test_queue.py compares these with the registered tasks."""

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
    FINISH_DUE = "collections_app.tasks.finish_due"
    PURGE_DUE = "collections_app.tasks.purge_due"
    SWEEP_IMAGES = "collections_app.tasks.sweep_images"
    EXPIRE_FACES = "collections_app.tasks.expire_faces"
    VERIFY_TEMPLATES = "collections_app.tasks.verify_templates"
    DELIVER_DUE = "collections_app.tasks.deliver_due"
    EXAMINE_COLLECTION = "collections_app.tasks.examine_collection"
    EXAMINE_DUE = "collections_app.tasks.examine_due"
    CALIBRATE_COLLECTION = "collections_app.tasks.calibrate_collection"
    CALIBRATE_DUE = "collections_app.tasks.calibrate_due"
    PURGE_SEARCHES = "collections_app.tasks.purge_searches"
    WORK_ON_JOB = "collections_app.tasks.work_on_job"
    WORK_DUE = "collections_app.tasks.work_due"
