"""manage.py import_faces: bring pictures into a collection, from a folder, a bucket, an archive or another product.

The pictures are staged, sealed, as the files of a bulk job, which this command and the workers then do together. It may
be stopped at any point: with the job for a source, `--resume` goes on.
"""

import io
import json
import tarfile
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, connection
from tqdm import tqdm

from collections_app import bulk, job_files
from collections_app.errors import CollectionsError
from collections_app.importers import IMPORTERS, Item, Source, SourceFailed, importer
from collections_app.jobs import engine
from collections_app.models import BulkJob
from collections_app.operations import bulk_jobs, imports
from collections_app.operations.jobs import Job
from collections_app.reasons import reason
from tenants.access import Caller, system
from tenants.errors import TenantsError
from tenants.models import Tenant

_TURN_SECONDS = 1.0


class Command(BaseCommand):
    """Import faces."""

    help = "Enrol many pictures: PERSON/photo.jpg in a folder, s3://bucket/prefix, a ZIP or tar, or another product."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the collection, the source and the options."""
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("collection")
        parser.add_argument("source", help="a folder, s3://bucket/prefix, an archive, a server's address, or a job")
        parser.add_argument("--from", dest="kind", choices=sorted(IMPORTERS), default="folder", help="default: folder")
        parser.add_argument("--manifest", default="", help="CSV or JSON lines: whose pictures they are")
        parser.add_argument("--key", default="", help="the other product's key")
        parser.add_argument("--dry-run", action="store_true", help="store nothing; say what would be enrolled")
        parser.add_argument("--largest", action="store_true", help="of several faces the largest")
        parser.add_argument("--stop", action="store_true", help="end at the first refusal")
        parser.add_argument("--existing", choices=("add", "replace", "skip"), default="add", help="people known before")
        parser.add_argument("--consent", default="", help="the reference to consent of all")
        parser.add_argument("--report", type=Path, help="write the report to this file, as CSV")
        parser.add_argument("--resume", action="store_true", help="go on with a job that was stopped")
        parser.add_argument("--refused", action="store_true", help="with --resume: try the refused items again")
        parser.add_argument("--enrol", action="store_true", help="with --resume: after a dry run, enrol")
        parser.add_argument("--threads", type=int, default=settings.COMPUTE_SLOTS, help="here; 0: only the workers")

    def handle(self, *args: Any, **options: Any) -> None:
        """Stage the pictures, and do the job."""
        tenant = Tenant.objects.filter(slug=options["tenant"], state=Tenant.State.ACTIVE).first()
        if tenant is None:
            message = f"There is no tenant {options['tenant']!r}."
            raise CommandError(message)
        caller = system(tenant, "import_faces")
        try:
            job = self._resumed(caller, options) if options["resume"] else self._begun(caller, options)
        except (CollectionsError, TenantsError) as error:
            raise CommandError(reason(error).capitalize()) from error
        self._do(caller, job, options)

    def _resumed(self, caller: Caller, options: dict[str, Any]) -> Job:
        return bulk_jobs.resume_job(caller, job=options["source"], refused=options["refused"], enrol=options["enrol"])

    def _begun(self, caller: Caller, options: dict[str, Any]) -> Job:
        named = {name: options[name] for name in ("dry_run", "largest", "stop", "existing", "consent")}
        job = imports.begin_import(caller, collection=options["collection"], options=imports.ImportOptions(**named))
        try:
            stage(caller, job, options["kind"], Source(options["source"], options["key"], options["manifest"]))
            return imports.start_import(caller, job=job.id)
        except BaseException as error:
            bulk_jobs.cancel_job(caller, job=job.id)
            if isinstance(error, SourceFailed | OSError):
                message = f"{error} Nothing was enrolled: run the command again."
                raise CommandError(message) from error
            raise

    def _do(self, caller: Caller, job: Job, options: dict[str, Any]) -> None:
        row = bulk_jobs.find_bulk_job(caller, job.id)
        self.stdout.write(f"Job {job.id}")
        try:
            follow(caller, job.id, threads=options["threads"])
        except KeyboardInterrupt:
            bulk_jobs.cancel_job(caller, job=job.id)
            again = f"manage.py import_faces {options['tenant']} {options['collection']} {job.id} --resume"
            message = f"Stopped. What was enrolled stays; go on with: {again}"
            raise CommandError(message) from None
        row.refresh_from_db()
        if options["report"]:
            with options["report"].open("wb") as file:
                file.writelines(bulk_jobs.as_csv(bulk_jobs.report(caller, job=job.id)))
        self._tell(caller, row)

    def _tell(self, caller: Caller, row: BulkJob) -> None:
        counts = bulk.counts(row)
        for outcome in ("enrolled", "possible", "known", "refused", bulk.OPEN):
            if counts.get(outcome):
                self.stdout.write(f"{counts[outcome]:>9,} {outcome or 'not done'}")
        refused = bulk_jobs.refused_items(caller, job=str(row), limit=100_000)
        for error, number in Counter(item["error"] for item in refused).most_common():
            self.stdout.write(f"{number:>13,} {error}")
        if any(str(item.get("file", "")).startswith("not saved: ") for item in refused):
            self.stdout.write(
                "Where no image was saved, an embedding of another model is all there is: it cannot be used."
            )
        if row.state != BulkJob.State.DONE:
            message = f"The job is {row.state}: {row.fault}"
            raise CommandError(message)


def stage(caller: Caller, job: Job, kind: str, source: Source) -> None:
    """Hand the pictures of a source over to an import, as a tar with a manifest; an archive as it is.

    Raises:
        SourceFailed: the source cannot be read, or went away.
    """
    row = bulk_jobs.find_bulk_job(caller, job.id)
    vault = bulk.vault_of(row)
    if kind == "folder" and Path(source.place).is_file():
        files = {"archive": Path(source.place)} | ({"manifest": Path(source.manifest)} if source.manifest else {})
        for name, path in files.items():
            with path.open("rb") as content:
                imports.add_part(caller, job=job.id, file=name, offset=0, content=content)  # type: ignore[arg-type]  # a Part
        return
    file = bulk.add_file(row, "archive", given=True)
    writer: Any = job_files.Writer(vault, file, most=settings.JOB_FILES_BYTES)
    rows = list(_packed(writer, importer(kind)(source)))
    writer.complete()
    if rows or source.manifest:
        manifest = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows).encode()
        content = io.BytesIO(manifest or Path(source.manifest).read_bytes())
        imports.add_part(caller, job=job.id, file="manifest", offset=0, content=content)


def _packed(writer: Any, items: Iterable[Item]) -> Iterable[dict[str, str]]:
    with tarfile.open(fileobj=writer, mode="w|") as tar:
        for item in tqdm(items, desc="staged", unit="", leave=False, disable=None):
            if item.content is not None:
                member = tarfile.TarInfo(item.name)
                member.size = len(item.content)
                tar.addfile(member, io.BytesIO(item.content))
            if item.row:
                yield dict(item.row)


def follow(caller: Caller, job: str, *, threads: int) -> None:
    """Work on a job in this process until it is over, and show its progress."""
    over = threading.Event()
    helpers = [threading.Thread(target=_help, args=(caller, job, over), daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    try:
        with tqdm(desc="items", unit="", leave=False, disable=None) as bar:
            while not (now := bulk_jobs.get_bulk_job(caller, job=job)).finished_at:
                bar.total = now.rows_total
                bar.update((now.rows_done or 0) - bar.n)
                if not threads or not engine.work(bulk_jobs.find_bulk_job(caller, job), _TURN_SECONDS):
                    over.wait(_TURN_SECONDS / 5)
    finally:
        over.set()
        for helper in helpers:
            helper.join()


def _help(caller: Caller, job: str, over: threading.Event) -> None:
    try:
        while not over.is_set():
            close_old_connections()
            if not engine.work(bulk_jobs.find_bulk_job(caller, job), _TURN_SECONDS):
                over.wait(_TURN_SECONDS / 5)
    finally:
        connection.close()
