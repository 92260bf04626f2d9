import json

from django.db import migrations
from django.db.models import TextField, Value
from django.db.models.functions import Cast

from calls.models.encrypted import EncryptedJSONField

AT_ONCE = 100


def encrypt(apps, schema_editor):
    """The column is text by now, and holds the JSON in the clear."""
    lines = apps.get_model("calls", "RejectedLine").objects
    found = lines.defer("problems").annotate(plain=Cast("problems", TextField())).order_by("pk")
    for part in in_parts(found):
        for line in part:
            line.problems = json.loads(line.plain)
        lines.bulk_update(part, ["problems"])


def decrypt(apps, schema_editor):
    lines = apps.get_model("calls", "RejectedLine").objects
    for part in in_parts(lines.order_by("pk")):
        for line in part:
            plain = Value(json.dumps(line.problems), output_field=TextField())
            lines.filter(pk=line.pk).update(problems=plain)


def in_parts(lines):
    """By key, so that memory stays flat and nothing is read while it is written."""
    last = 0
    while part := list(lines.filter(pk__gt=last)[:AT_ONCE]):
        yield part
        last = part[-1].pk


class Migration(migrations.Migration):

    dependencies = [
        ("calls", "0005_review_lists"),
    ]

    operations = [
        migrations.AlterField(
            model_name="rejectedline",
            name="problems",
            field=EncryptedJSONField(),
        ),
        migrations.RunPython(encrypt, decrypt),
    ]
