"""Signs of life of the work behind the requests, and up to where an audit chain was found sound."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0002_inviter_and_counts'),
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
    ]
