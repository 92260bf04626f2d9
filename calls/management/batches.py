"""What the batch commands share: finding a batch by its id."""

from django.core.management.base import CommandError

from calls.models import Batch


def batch_or_error(batch_id: int) -> Batch:
    try:
        return Batch.objects.get(pk=batch_id)
    except Batch.DoesNotExist:
        raise CommandError(f"There is no batch {batch_id}.") from None
