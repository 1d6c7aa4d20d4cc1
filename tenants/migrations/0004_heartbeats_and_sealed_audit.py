"""Signs of life of the work behind the requests, and up to where an audit chain was found sound."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0003_sealed_seeds_and_key_lineage'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('lag_seconds', models.FloatField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="audithead",
            name="verified",
            field=models.PositiveBigIntegerField(default=0, help_text="Up to this entry the chain was found sound."),
        ),
        migrations.AddField(
            model_name="audithead",
            name="verified_seal",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="audithead",
            name="check_asked_at",
            field=models.DateTimeField(null=True, help_text="When somebody asked for the whole to be recomputed."),
        ),
        migrations.AddField(
            model_name="audithead",
            name="check_done",
            field=models.PositiveBigIntegerField(default=0, help_text="Entries recomputed and sound so far."),
        ),
        migrations.AddField(
            model_name="audithead",
            name="check_broken_at",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="audithead",
            name="check_ended_at",
            field=models.DateTimeField(null=True),
        ),
    ]
