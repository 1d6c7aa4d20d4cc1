"""Bulk jobs: their rows, units and files, each tenant's own."""

import collections_app.models.fields
import django.db.models.deletion
import django.db.models.manager
import tenants.scope
from django.db import migrations, models

from tenants import rls


class Migration(migrations.Migration):

    dependencies = [
        ('collections_app', '0007_quality_of_templates'),
        ('tenants', '0003_plain_help_texts'),
    ]

    operations = [
        migrations.CreateModel(
            name='BulkJob',
            fields=[
                ('id', models.BigIntegerField(default=tenants.scope.random_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('import', 'Import')], max_length=12)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='waiting', max_length=10)),
                ('stage', models.CharField(choices=[('receive', 'Receive'), ('plan', 'Plan'), ('work', 'Work'), ('finish', 'Finish')], default='receive', max_length=8)),
                ('options', models.JSONField(default=dict)),
                ('sealed_key', models.BinaryField()),
                ('total', models.PositiveIntegerField(null=True)),
                ('done_before', models.PositiveIntegerField(default=0, help_text='Units that were done when it was last started.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('began_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('fault', models.CharField(blank=True, max_length=255)),
                ('claim', models.CharField(blank=True, max_length=36)),
                ('leased_until', models.DateTimeField(null=True)),
                ('actor_kind', models.CharField(max_length=8)),
                ('actor_id', models.CharField(max_length=64)),
                ('actor_name', models.CharField(max_length=150)),
                ('via', models.CharField(max_length=16)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('scopes', models.JSONField(default=list)),
                ('reach', models.JSONField(null=True)),
                ('collection', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='jobs', to='collections_app.collection')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='JobFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.CharField(default=collections_app.models.fields.new_uuid, editable=False, max_length=36, unique=True)),
                ('name', models.CharField(max_length=64)),
                ('given', models.BooleanField(default=False)),
                ('size', models.PositiveBigIntegerField(default=0)),
                ('complete', models.BooleanField(default=False)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='files', to='collections_app.bulkjob')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='JobUnit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('outcome', models.CharField(blank=True, max_length=8)),
                ('payload', models.BinaryField()),
                ('result', models.BinaryField(null=True)),
                ('face_id', models.BigIntegerField(db_index=True, null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('claim', models.CharField(blank=True, max_length=36)),
                ('leased_until', models.DateTimeField(null=True)),
                ('job', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='units', to='collections_app.bulkjob')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.tenant')),
            ],
            managers=[
                ('unscoped', django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name='bulkjob',
            index=models.Index(fields=['tenant', 'created_at', 'id'], name='job_by_time'),
        ),
        migrations.AddIndex(
            model_name='bulkjob',
            index=models.Index(fields=['state', 'stage'], name='job_by_state'),
        ),
        migrations.AddConstraint(
            model_name='jobfile',
            constraint=models.UniqueConstraint(fields=('job', 'name'), name='job_file'),
        ),
        migrations.AddIndex(
            model_name='jobunit',
            index=models.Index(fields=['job', 'outcome', 'number'], name='job_unit_by_outcome'),
        ),
        migrations.AddIndex(
            model_name='jobunit',
            index=models.Index(fields=['job', 'leased_until'], name='job_unit_by_lease'),
        ),
        migrations.AddConstraint(
            model_name='jobunit',
            constraint=models.UniqueConstraint(fields=('job', 'number'), name='job_unit'),
        ),
        rls.enable('collections_app', 'bulkjob', 'jobunit', 'jobfile'),
    ]
