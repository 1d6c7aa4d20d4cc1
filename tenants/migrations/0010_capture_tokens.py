"""Capture tokens, behind row-level security."""

import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models

from tenants import rls


class Migration(migrations.Migration):
    """Make the table."""

    dependencies = [
        ('tenants', '0009_provided_accounts'),
    ]

    operations = [
        migrations.CreateModel(
            name='CaptureToken',
            fields=[
                ('id', models.CharField(editable=False, max_length=24, primary_key=True, serialize=False)),
                ('secret_hash', models.BinaryField(max_length=32)),
                ('browser_hash', models.BinaryField(default=b'', max_length=32)),
                ('actor_kind', models.CharField(max_length=8)),
                ('actor_id', models.CharField(max_length=64)),
                ('verb', models.CharField(max_length=8)),
                ('collection_id', models.BigIntegerField(null=True)),
                ('reference', models.CharField(blank=True, max_length=255)),
                ('consent', models.CharField(blank=True, max_length=255)),
                ('origin', models.CharField(max_length=300)),
                ('return_url', models.CharField(blank=True, max_length=2000)),
                ('file', models.BooleanField(default=False, help_text="Our page takes a file as well as the camera's picture.")),
                ('looks', models.PositiveSmallIntegerField(default=0)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('challenge', models.CharField(blank=True, max_length=36)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('used_at', models.DateTimeField(null=True)),
                ('outcome', models.JSONField(null=True)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'abstract': False,
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        rls.enable("tenants", "capturetoken"),
    ]
