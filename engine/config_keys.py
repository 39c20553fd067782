"""Every configuration key in words, from the schema itself: docs/config.md holds this text (a test compares them)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from engine.config import keys_of, struct_in
from engine.config_alerts_schema import AlertsSection, CommandSection, WebhookSection
from engine.config_recorder_schema import RecorderSection
from engine.config_risk_schema import (
    AccountRisk,
    HealthSection,
    InstrumentRisk,
    MeasureSection,
    ModeRule,
    PortfolioSection,
    RiskModes,
    RiskSection,
    StrategyRisk,
)
from engine.config_schema import (
    Config,
    ControlSection,
    CrashLoop,
    DeskSection,
    EngineSection,
    GuardSection,
    JournalSection,
    PaperSection,
    ReconcileSection,
    RunawaySection,
    StrategySection,
    VenueSection,
)

TABLES: dict[str, type[msgspec.Struct]] = {
    "engine": EngineSection,
    "engine.crash_loop": CrashLoop,
    "journal": JournalSection,
    "venue.NAME": VenueSection,
    "risk": RiskSection,
    "risk.account.N": AccountRisk,
    "risk.venue.NAME": AccountRisk,
    "risk.strategy.NAME": StrategyRisk,
    "risk.instrument.SYMBOL": InstrumentRisk,
    "risk.modes": RiskModes,
    "risk.modes.ELEVATED": ModeRule,
    "risk.measures": MeasureSection,
    "portfolio": PortfolioSection,
    "health": HealthSection,
    "strategy.NAME": StrategySection,
    "control": ControlSection,
    "desk": DeskSection,
    "guard": GuardSection,
    "alerts": AlertsSection,
    "alerts.webhook.NAME": WebhookSection,
    "alerts.command.NAME": CommandSection,
    "reconcile": ReconcileSection,
    "runaway": RunawaySection,
    "paper": PaperSection,
    "recorder": RecorderSection,
}


def describe() -> str:
    """Markdown: a heading and a table of keys for each table of the configuration."""
    parts = ["### Tables\n\n| table | default | meaning |\n|---|---|---|", *map(table_row, keys_of(Config)), ""]
    for name, section in TABLES.items():
        summary = (section.__doc__ or "").strip()
        parts.append(f"### `[{name}]`\n\n{summary}\n\n| key | value | default | meaning |\n|---|---|---|---|")
        parts.append("\n".join(row(section, key) for key in keys_of(section)) + "\n")
    return "\n".join(parts)


def table_row(name: str) -> str:
    """One table of the file: `venue`, `strategy` and `risk.instrument` hold a table for each name."""
    key = keys_of(Config)[name]
    inner = get_args(key.type)[1] if get_origin(key.type) is dict else struct_in(key.type) or key.type
    default = "**required**" if key.required else "as its keys say" if inner is key.type else "none"
    return f"| `{name}` | {default} | {(inner.__doc__ or '').strip()} |"


def row(section: type[msgspec.Struct], name: str) -> str:
    """One key's line."""
    key = keys_of(section)[name]
    cells = (
        f"`{name}`",
        value_words(key.type, key.meta.extra or {}),
        default_words(section, name),
        key.meta.description or table_words(key.type),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table_words(kind: Any) -> str:
    """What a table of tables is for: what each of them says of itself."""
    inner = get_args(kind)[1] if get_origin(kind) is dict else kind
    summary = (inner.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return f"a table for each: {summary[:1].lower()}{summary[1:]}"


def default_words(section: type[msgspec.Struct], name: str) -> str:
    """The default as TOML, or that there is none."""
    field = next(item for item in msgspec.structs.fields(section) if item.encode_name == name)
    if field.required:
        return "**required**"
    if field.default_factory is not NODEFAULT:
        return "empty"
    if field.default is None:
        return "absent"
    if isinstance(field.default, msgspec.Struct):
        return "as its keys say"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def value_words(kind: Any, extra: dict[str, Any]) -> str:
    """What may stand there."""
    if "decimal" in extra:
        return "decimal text above 0"
    if "path" in extra:
        return "path"
    if "url" in extra:
        return "URL, " + " or ".join(f"`{scheme}://`" for scheme in extra["url"].split())
    if "wanted" in extra:
        return str(extra["wanted"])
    return type_words(kind)


def type_words(kind: Any) -> str:
    """A type in words, with its range."""
    if get_origin(kind) is Annotated:
        base, meta = get_args(kind)[0], get_args(kind)[1]
        return f"integer {meta.ge} to {meta.le}" if base is int else type_words(base)
    if get_origin(kind) is Literal:
        return " or ".join(f'`"{word}"`' for word in get_args(kind))
    if kind is bool:
        return "`true` or `false`"
    if get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "table"
    members = [type_words(member) for member in get_args(kind) if member is not type(None)]
    return " or ".join(members)
