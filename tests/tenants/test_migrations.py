"""What an upgrade does with what is there."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_otp.oath import totp

from tenants import authenticators
from tenants.models import Authenticator

BEFORE, AFTER = ("tenants", "0002_inviter_and_counts"), ("tenants", "0003_sealed_seeds_and_key_lineage")
SEED = bytes(range(20))
TABLE = """
CREATE TABLE otp_totp_totpdevice (
    id integer PRIMARY KEY, user_id integer, name varchar(64), confirmed boolean, key varchar(80), drift smallint,
    last_t bigint
)
"""


@pytest.mark.django_db(transaction=True)
def test_seeds_in_clear_are_sealed_and_their_table_goes() -> None:
    """Number 9 of the hardening: authenticators go on showing codes that are taken, and no seed is left in clear."""
    user = User.objects.create_user("somebody")
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([BEFORE])
        with connection.cursor() as cursor:
            cursor.execute(TABLE)
            cursor.execute(
                "INSERT INTO otp_totp_totpdevice VALUES (1, %s, 'phone', %s, %s, 0, -1)", [user.pk, True, SEED.hex()]
            )
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert "otp_totp_totpdevice" not in connection.introspection.table_names()
    device = Authenticator.objects.get(user=user)
    assert SEED not in bytes(device.wrapped_seed)
    assert authenticators.matching(user, f"{totp(SEED):06d}") == device
    assert authenticators.matching(user, f"{totp(SEED):06d}") is None, "a code serves once"
