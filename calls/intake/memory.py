"""What is remembered between uploads: how columns of the same headers were read, and which files came before."""

import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from django.conf import settings

from calls.intake.planning import ColumnPlan, plan_of
from calls.models import ColumnMemory, Upload
from calls.models.encrypted import derived_key

REASON = "reason"  # the column that a file of rejected rows has behind those of its upload


def digest_of(data: bytes) -> str:
    """Tells two files apart; without our key it tells nothing about what a file holds."""
    return hmac.new(derived_key(settings.SECRET_KEY, "uploads"), data, sha256).hexdigest()


def earlier_upload(upload: Upload) -> Upload | None:
    """The last upload of the same file that is still here."""
    same = Upload.objects.filter(digest=upload.digest, pk__lt=upload.pk)
    return same.select_related("batch", "received_by").order_by("-pk").first()


def headers_digest(headers: Sequence[str]) -> str:
    """The same for the rejected rows of a file as for the file: they only have a reason behind them."""
    folded = [" ".join(header.casefold().split()) for header in headers]
    if folded[-1:] == [REASON]:
        folded.pop()
    return sha256(json.dumps(folded).encode()).hexdigest()


def recalled(headers: Sequence[str]) -> ColumnPlan | None:
    """The plan that was confirmed for these headers, if it still gives every needed field."""
    found = ColumnMemory.objects.filter(headers_digest=headers_digest(headers)).first()
    if found is None:
        return None
    plan = plan_of(
        {
            "mapping": found.mapping,
            "constants": found.constants,
            "formats": found.formats,
            "convert_zones": found.convert_zones,
            "derive_reference": found.derive_reference,
        }
    )
    is_inside = all(at < len(headers) for at in plan.mapping.values())
    return plan if is_inside and not plan.missing() else None


def remember(headers: Sequence[str], plan: ColumnPlan, *, by: Any) -> None:
    ColumnMemory.objects.update_or_create(
        headers_digest=headers_digest(headers),
        defaults={
            "mapping": plan.mapping,
            "constants": plan.constants,
            "formats": plan.formats,
            "convert_zones": plan.convert_zones,
            "derive_reference": plan.derive_reference,
            "confirmed_by": by,
        },
    )
