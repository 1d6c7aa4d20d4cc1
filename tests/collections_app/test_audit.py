"""Check 24: the audit log can be read, checked and taken away with a signature."""

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from collections_app.errors import InvalidRequest
from collections_app.operations import audit as operations
from collections_app.operations import jobs
from collections_app.operations.audit import Filters
from tenants import audit, keys, signing, tasks
from tenants.access import Scope, caller_for_key, system
from tenants.errors import ReachTooNarrow, ScopeMissing, SignatureBroken
from tenants.models import AuditEntry, AuditHead
from tests.conftest import Customer


def test_pages_join_without_gap_or_overlap(acme: Customer, globex: Customer) -> None:
    """Check 24: every entry is on exactly one page, newest first, and none of another tenant."""
    for number in range(7):
        audit.record(acme.caller, "face.enrolled", acme.people, place=number)
        audit.record(globex.caller, "face.enrolled", globex.people)
    seen, before = [], None
    while True:
        page = operations.list_entries(acme.caller, before=before, limit=3)
        seen += [entry.number or 0 for entry in page.entries]
        before = page.before
        if before is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == audit.verify(acme.tenant).entries


def test_filters_narrow(acme: Customer) -> None:
    """Check 24: by action, by family of actions, by target."""
    audit.record(acme.caller, "face.enrolled", acme.people)
    audit.record(acme.caller, "face.deleted", acme.people)
    audit.record(acme.caller, "key.revoked", acme.issued.key)

    def found(**narrow: str) -> list[str]:
        return [entry.action for entry in operations.list_entries(acme.caller, filters=Filters(**narrow)).entries]  # type: ignore[arg-type]

    assert found(action="face.deleted") == ["face.deleted"]
    assert found(action="face.") == ["face.deleted", "face.enrolled"]
    assert found(target=acme.issued.key.pk) == ["key.revoked"]
    assert found(actor="nobody") == []


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_signed_and_is_an_entry_itself(acme: Customer, form: str) -> None:
    """Check 24: the statement's digest is the file's, the signature holds, and a changed statement does not pass."""
    audit.record(acme.caller, "person.changed", acme.people, note='=HYPERLINK("x")', name="Zoë, the 1st")
    made = operations.export(acme.caller, form=form)  # type: ignore[arg-type]
    assert made.statement["sha256"] == hashlib.sha256(made.content).hexdigest()
    signing.check(made.statement)
    with pytest.raises(SignatureBroken):
        signing.check({**made.statement, "entries": 0})
    rows = json.loads(made.content) if form == "json" else list(csv.DictReader(io.StringIO(made.content.decode())))
    assert len(rows) == made.statement["entries"]
    facts = rows[-1]["facts"]
    assert "Zoë, the 1st" in (json.loads(facts) if isinstance(facts, str) else facts).values()
    assert operations.list_entries(acme.caller, limit=1).entries[0].action == "audit.exported"


def test_an_export_says_what_it_leaves_out_and_takes_no_more_than_it_can(
    acme: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = operations.export(acme.caller, form="json", filters=Filters(action="collection."))
    assert made.statement["filters"] == {"action": "collection."}
    assert 0 < made.statement["entries"] < AuditEntry.objects.of(acme.tenant).count()
    monkeypatch.setattr(operations, "MOST_EXPORTED", AuditEntry.objects.of(acme.tenant).count())
    assert operations.export(acme.caller, form="json").statement["filters"] == {}
    with pytest.raises(InvalidRequest):  # that one was an entry itself
        operations.export(acme.caller, form="json")


def test_a_cell_of_a_table_never_begins_like_a_formula(acme: Customer) -> None:
    """Check 24: a name that an attacker chose does not run in the auditor's spreadsheet."""
    audit.record(system(acme.tenant, "=1+1"), "person.changed")
    rows = list(csv.reader(io.StringIO(operations.export(acme.caller, form="csv").content.decode())))
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "'=1+1" in cells
    assert "'" not in cells  # an empty cell stays empty


def test_numbers_are_signed_as_every_database_keeps_them(acme: Customer) -> None:
    """Check 24: a policy's value that PostgreSQL writes otherwise does not break the chain."""
    facts = {"below": -0.0, "deep": [{"zero": -0.0}], "small": 1e-7, "share": 0.1}
    audit.record(acme.caller, "collection.policy_changed", acme.people, **facts)
    assert audit.verify(acme.tenant).sound


def test_reading_needs_the_scope(acme: Customer) -> None:
    """Check 24: who may administer may not therefore read the log."""
    clerk = system(acme.tenant, "clerk", [Scope.ADMIN])
    for read in (operations.list_entries, operations.verify_chain):
        with pytest.raises(ScopeMissing):
            read(clerk)
    assert operations.verify_chain(acme.caller).sound


def test_who_reaches_some_collections_only_does_not_read_it(acme: Customer) -> None:
    """Check 24: the log tells of every collection, key and member, so a key for one collection is refused all of it."""
    issued = keys.issue(acme.tenant, name="one", scopes=list(Scope), collections=[acme.people.pk])
    narrow = caller_for_key(issued.key.pk, issued.secret, via="tests")
    for read in (
        operations.list_entries,
        operations.verify_chain,
        lambda caller: operations.export(caller, form="json"),
    ):
        with pytest.raises(ReachTooNarrow):
            read(narrow)


def test_a_long_log_is_recomputed_by_a_job(
    acme: Customer, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """Beyond what a request recomputes, it asks a worker once, tells how far that is, and then what was found."""
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(operations, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(operations, "enqueue", lambda task, *ids: sent.append((task, *ids)))
    monkeypatch.setattr(audit, "_PART", 5)
    for number in range(12):
        audit.record(acme.caller, "face.enrolled", acme.people, faces=[str(number)])
    for _ in range(3):
        with django_capture_on_commit_callbacks(execute=True):
            asked = operations.verify_chain(acme.caller)
    assert (asked.sound, asked.entries) == (None, 0)
    assert asked.job is not None
    assert sent == [("tenants.tasks.verify_audit", acme.tenant.pk)]
    assert [job.id for job in jobs.list_jobs(acme.caller, limit=9).jobs] == [asked.job]
    assert jobs.get_job(acme.caller, job=asked.job).state == "waiting"
    narrow = replace(acme.caller, collections=frozenset({acme.people.pk}))
    assert jobs.list_jobs(narrow, limit=9).jobs == ()
    tasks.verify_audit(acme.tenant.pk)
    last = AuditHead.objects.of(acme.tenant).get().number
    assert operations.verify_chain(acme.caller) == operations.Checked(True, last, None, asked.job)  # noqa: FBT003
    done = jobs.get_job(acme.caller, job=asked.job)
    assert (done.state, done.rows_done, done.rows_total) == ("done", last, last)
    assert jobs.list_jobs(acme.caller, limit=9).jobs == ()

    AuditEntry.objects.of(acme.tenant).filter(number=7).update(actor_id="innocent")
    AuditHead.objects.of(acme.tenant).update(check_asked_at=timezone.now() - timedelta(hours=2))
    assert operations.verify_chain(acme.caller).sound is None
    tasks.verify_audit(acme.tenant.pk)
    found = operations.verify_chain(acme.caller)
    assert (found.sound, found.broken_at) == (False, 7)
    assert AuditEntry.objects.of(acme.tenant).get(action="alert.audit_broken").facts == {"broken_at": 7}
