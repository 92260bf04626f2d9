import calls.models.encrypted
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("calls", "0003_column_memory"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="queue_only",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="batch",
            name="start_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="batch",
            name="skipped",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="rejectedline",
            name="added",
            field=calls.models.encrypted.EncryptedTextField(null=True),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(
                condition=models.Q(("start_at__isnull", False)),
                fields=["start_at"],
                name="batch_to_start",
            ),
        ),
        migrations.AddIndex(
            model_name="rejectedline",
            index=models.Index(
                condition=models.Q(("row__isnull", False)),
                fields=["batch"],
                name="lines_mended",
            ),
        ),
    ]
