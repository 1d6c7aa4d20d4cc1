"""The list of checks, in the order of the report."""

from config.checks import Check, database, host, installation, work

FUNCTIONS = ("search", "enrol", "background", "storage", "console")
_ALL_OF_THEM = frozenset({"search", "enrol", "background", "console"})

CHECKS = (
    Check("settings", installation.configured),
    Check("secrets", installation.secrets),
    Check("database", database.answers, _ALL_OF_THEM, "Read the database's log; compare DATABASE_URL."),
    Check("schema", database.tables, _ALL_OF_THEM),
    Check("database_server", database.server),
    Check("row_level_security", database.row_level_security),
    Check("master_key", installation.master_key),
    Check("models", host.models, frozenset({"search", "enrol"}), "Run manage.py install_models."),
    Check("model_files", host.model_digests),
    Check("disk", host.disks, frozenset({"enrol", "background"}), "Mount DATA_DIR and INDEX_DIR writable."),
    Check("storage", work.images, frozenset({"storage"}), "Compare STORAGE_URL and its credentials."),
    Check("broker", work.broker, frozenset({"background"}), "Compare CELERY_BROKER_URL; start the broker."),
    Check("workers", work.workers, frozenset({"background"})),
    Check("index", work.index),
    Check("audit_log", work.audit_log),
    Check("audit_chain", work.audit_chain, frozenset({"background"})),
    Check("background", work.background),
    Check("backups", work.backups),
    Check("cores", host.cores),
    Check("memory", host.memory),
    Check("shared_memory", host.shared_memory, remedy="Mount a tmpfs at HOST_DIR and INDEX_OPEN_DIR."),
    Check("limits", host.limits),
    Check("clock", host.synchronisation),
    Check("database_clock", database.clock),
    Check("mail", installation.mail),
)
