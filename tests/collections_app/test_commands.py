"""Commands call the operations that the API calls: the same checks, the same entries of the audit log."""

import io
import re

import pytest
from django.core.management import CommandError, call_command

from tenants.models import ApiKey, AuditEntry
from tests.conftest import Customer


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["issue_key", "acme", "--networks", "10.0.0.0/33"], "--networks: '10.0.0.0/33' does not appear"),
        (["issue_key", "acme", "--calls-per-day", "0"], "--calls-per-day: must be at least 1"),
        (["issue_key", "acme", "--name", " "], "--name: must have 1 to 100 characters"),
        (["issue_key", "acme", "--collections", "nowhere"], "has no collection 'nowhere'"),
        (["create_collection", "acme", " "], "name: must not be blank"),
    ],
)
def test_a_command_refuses_what_the_api_refuses(command: list[str], sentence: str, acme: Customer) -> None:
    before = ApiKey.objects.of(acme.tenant).count()
    with pytest.raises(CommandError, match=re.escape(sentence)):
        call_command(*command)
    assert ApiKey.objects.of(acme.tenant).count() == before


def test_a_key_of_the_command_line_is_the_operation_s(acme: Customer) -> None:
    call_command("issue_key", "acme", "--name", " gate ", "--networks", "192.0.2.7", stdout=io.StringIO())
    key = ApiKey.objects.of(acme.tenant).get(name="gate")
    facts = AuditEntry.objects.of(acme.tenant).filter(action="key.issued").latest("number").facts
    assert (facts["networks"], facts["collections"], facts["scopes"]) == (key.networks, None, key.scopes)
