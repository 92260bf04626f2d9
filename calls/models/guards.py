"""Two promises that a check constraint cannot make, because they compare a row with its own past.

`request_id` is written once, and a final phase stays. They are database triggers, laid down after every
migration: rebuilding a table on SQLite drops its triggers.
"""

from typing import Any

from django.db import connections

from calls.vocabulary import FINAL

FINAL_PHASES = ", ".join(f"'{phase.value}'" for phase in FINAL)
REQUEST_ID_CHANGED = (
    "OLD.request_id IS NOT NULL AND (NEW.request_id IS NULL OR NEW.request_id <> OLD.request_id)"
)
FINAL_LEFT = f"OLD.phase IN ({FINAL_PHASES}) AND NEW.phase <> OLD.phase"

SQLITE = [
    statement
    for name, column, condition, message in [
        ("request_id_once", "request_id", REQUEST_ID_CHANGED, "request_id is written once"),
        ("final_stays", "phase", FINAL_LEFT, "a final phase stays"),
    ]
    for statement in (
        f"DROP TRIGGER IF EXISTS calls_{name}",
        f"CREATE TRIGGER calls_{name} BEFORE UPDATE OF {column} ON calls_callrow "
        f"WHEN {condition} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    )
]

POSTGRESQL = [
    f"""
    CREATE OR REPLACE FUNCTION calls_guard_row() RETURNS trigger AS $$
    BEGIN
        IF {REQUEST_ID_CHANGED} THEN
            RAISE EXCEPTION 'request_id is written once' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF {FINAL_LEFT} THEN
            RAISE EXCEPTION 'a final phase stays' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$ LANGUAGE plpgsql
    """,
    "DROP TRIGGER IF EXISTS calls_guard_row ON calls_callrow",
    "CREATE TRIGGER calls_guard_row BEFORE UPDATE OF request_id, phase ON calls_callrow "
    "FOR EACH ROW EXECUTE FUNCTION calls_guard_row()",
]


def lay_guards(using: str, **_: Any) -> None:
    """Create the triggers anew; called after each migration of this app."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for statement in SQLITE if connection.vendor == "sqlite" else POSTGRESQL:
            cursor.execute(statement)
