"""The shape of `[recorder]`: whether desk copies the ledger into a database, which one, and how long rows stay."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.config_metas import Section, text_meta

DAYS_MAX = 36_500
# the tables that grow with time: `engine.desk.recorder.schema.EXPIRABLE`, which a test compares
Expirable = Literal[
    "account_positions",
    "account_states",
    "alarms",
    "balance_states",
    "command_effects",
    "commands",
    "events",
    "fills",
    "funding",
    "intents",
    "order_states",
    "orders",
    "parent_states",
    "position_states",
    "risk_states",
    "transfers",
    "verdicts",
]


class RecorderSection(Section, frozen=True, kw_only=True):
    """The ledger in SQL. Without this section nothing is recorded; needs `pip install tradewind[sql]`."""

    database: Annotated[
        str,
        text_meta(
            r"^(sqlite|sqlite:///[^?#]+|postgresql://[^:@/?#]*(@[^/?#]*)?/[^/?#]+(\?[^#]*)?)$",
            '"sqlite", "sqlite:///FILE" or "postgresql://USER@HOST/NAME", without a password',
            "`sqlite`: recorder.sqlite in data_dir; or a URL without a password; PostgreSQL needs `tradewind[postgres]`",
        ),
    ] = "sqlite"
    credential: (
        Annotated[
            str,
            text_meta(
                r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                "a file name without its ending",
                "name of the file `NAME.password` in $CREDENTIALS_DIRECTORY; absent: none, or libpq's own ways",
            ),
        ]
        | None
    ) = None
    batch_records: Annotated[
        int, Meta(ge=1, le=1_000_000, description="at most so many records of the ledger are one transaction")
    ] = 20_000
    keep_days: Annotated[
        dict[Expirable, Annotated[int, Meta(ge=1, le=DAYS_MAX)]],
        Meta(
            description="days that rows stay, by table, as `{ intents = 30, verdicts = 30 }`; a table not named keeps all",
            extra={"wanted": "a table of table names and days, as { intents = 30 }"},
        ),
    ] = msgspec.field(default_factory=dict)
