from calls.models.batch import Batch, RejectedLine
from calls.models.call import CallRow
from calls.models.column_memory import ColumnMemory
from calls.models.engine import Installation, Lease, Upstream
from calls.models.entity import BlockedPhone, Entity
from calls.models.event import CallEvent
from calls.models.outcome import CallAttempt, Outcome
from calls.models.upload import Upload

__all__ = [
    "Batch",
    "BlockedPhone",
    "CallAttempt",
    "CallEvent",
    "CallRow",
    "ColumnMemory",
    "Entity",
    "Installation",
    "Lease",
    "Outcome",
    "RejectedLine",
    "Upload",
    "Upstream",
]
