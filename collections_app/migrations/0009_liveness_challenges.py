"""Liveness challenges, and the digests of the pictures that answered them."""

import collections_app.models.fields
import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models

from tenants import rls


class Migration(migrations.Migration):
    """Make both tables, each behind row-level security."""

    dependencies = [
        ('collections_app', '0008_bulk_jobs'),
        ('tenants', '0003_plain_help_texts'),
    ]

    operations = [
        migrations.CreateModel(
            name='LivenessChallenge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.CharField(default=collections_app.models.fields.new_uuid, editable=False, max_length=36, unique=True)),
                ('moves', models.JSONField()),
                ('asked_by', models.CharField(max_length=80)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'indexes': [models.Index(fields=['asked_by', 'expires_at'], name='challenge_by_caller')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='SeenFrame',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64)),
                ('at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('tenant', 'digest'), name='seen_frame')],
            },
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        rls.enable("collections_app", "livenesschallenge", "seenframe"),
    ]
