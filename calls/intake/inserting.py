"""Many new rows of one table at once: fields are prepared once per column, not once per instance.

`bulk_create` prepares every field of every instance, defaults too, and that is most of an import's time.
What it prepares needs no database: `prepared` belongs before the transaction, which then only inserts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from calls.intake.kept import Kept
from calls.models.encrypted import EncryptedTextField

Prepare = Callable[[Any], Any]
Columns = dict[str, list[Any]]
Column: TypeAlias = "models.Field[Any, Any]"

KEPT = 50_000  # prepared values of one column
PLAIN = re.compile("[A-Za-z0-9_ .:+-]*")


class Inserter:
    """INSERTs into `model`: `varying` columns come with each row, the others are `same` or have their default."""

    def __init__(
        self, model: type[models.Model], varying: Sequence[str], same: Mapping[str, Any]
    ) -> None:
        # Not the thread's proxy: that is looked up at each use, and there is one for every value.
        self.connection = connections[DEFAULT_DB_ALIAS]
        fields = [f for f in model._meta.concrete_fields if not (f.primary_key or f.generated)]
        by_name, blank = {field.attname: field for field in fields}, model()
        self.varying = tuple(varying)
        self.preparers = {name: preparer(by_name[name], self.connection) for name in varying}
        # What nobody sets is what `save()` would store of it.
        constants = {
            name: prepared(same.get(name, field.pre_save(blank, add=True)), field, self.connection)
            for name, field in by_name.items()
            if name not in varying
        }
        literals = {name: literal(value) for name, value in constants.items()}
        bound = [name for name, sql in literals.items() if sql is None]
        plain = {name: sql for name, sql in literals.items() if sql is not None}
        self.constants = tuple(constants[name] for name in bound)
        quote = self.connection.ops.quote_name
        names = [quote(str(by_name[name].column)) for name in (*varying, *bound, *plain)]
        self.into = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(names)})"
        self.marks = ["%s"] * (len(varying) + len(bound)) + list(plain.values())

    def prepared(self, columns: Mapping[str, Sequence[Any]]) -> Columns:
        """Varying columns, or some of them, as the database takes them. Asks nothing of it."""
        return {
            name: list(map(prepare, column)) if (prepare := self.preparers[name]) else list(column)
            for name, column in columns.items()
        }

    def insert(self, columns: Columns, *, unless_there: bool = False) -> None:
        """One row for each place in the prepared columns. `unless_there`: pass those that break uniqueness."""
        rows = zip(*(columns[name] for name in self.varying), strict=True)
        values = [(*row, *self.constants) for row in rows]
        passing = " ON CONFLICT DO NOTHING" if unless_there else ""
        if values:
            with self.connection.cursor() as cursor:
                cursor.executemany(f"{self.into} VALUES ({', '.join(self.marks)}){passing}", values)

    def insert_from(self, rows: QuerySet[Any, Any]) -> None:
        """One row for each of `rows`, whose columns are the varying ones in their order."""
        select, parameters = rows.query.sql_with_params()
        marks = self.marks[len(self.varying) :]
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"{self.into} SELECT found.*, {', '.join(marks)} FROM ({select}) AS found",  # noqa: S608
                (*self.constants, *parameters),
            )


def prepared(value: Any, field: Column, connection: BaseDatabaseWrapper) -> Any:
    return field.get_db_prep_save(value, connection)


def literal(value: Any) -> str | None:
    """The SQL of a constant that needs no care; each is one less to bind for every row. None: bind it."""
    if value is None or type(value) in (bool, int):
        return "NULL" if value is None else str(value).upper()
    return f"'{value}'" if type(value) is str and PLAIN.fullmatch(value) else None


def preparer(field: Column, connection: BaseDatabaseWrapper) -> Prepare | None:
    """None: it goes as it is. What is costly to prepare is kept, except secrets and JSON."""
    if isinstance(field, EncryptedTextField):
        return field.get_prep_value
    if isinstance(field, models.JSONField):
        adapt, empty = connection.ops.adapt_json_value, prepared([], field, connection)
        return lambda value: adapt(value, field.encoder) if value else empty
    if isinstance(field, models.DateField):  # and DateTimeField
        return Kept(lambda value: prepared(value, field, connection), KEPT).__getitem__
    return None
