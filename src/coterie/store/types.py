"""Types of columns that mean the same on both stores."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Dialect, Integer
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

Text = sqlalchemy.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
"""Text that is compared code point by code point on both stores, whatever the database's locale."""

Terms = sqlalchemy.Text().with_variant(postgresql.ARRAY(postgresql.TEXT(collation="C")), "postgresql")
"""Words of no white space: one text on SQLite, an array on PostgreSQL."""

Large = Integer().with_variant(BigInteger, "postgresql")
"""A number that may pass 2^31; SQLite's are of 64 bits anyway."""


class Number(UserDefinedType[float]):
    """An exact number: integers of 64 bits and doubles side by side. SQLite takes them as they are; PostgreSQL would
    compare them as doubles, so there they are decimals.
    """

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "NUMERIC"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        if dialect.name != "postgresql":
            return None
        return lambda value: None if value is None else Decimal(value)
