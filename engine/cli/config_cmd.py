"""`tradewind config`: check a configuration, show it as it applies, list every key there is."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from engine.cli.target import load_config
from engine.exit_codes import ExitCode


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`config check FILE`, `config show FILE [--json]`, `config keys`."""
    parser = subparsers.add_parser("config", help="check or show a configuration", description=__doc__)
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = verbs.add_parser("check", help="exit 0 when FILE is legal, else 78 and a line for each fault")
    check.add_argument("file", metavar="FILE")
    show = verbs.add_parser("show", help="FILE with defaults filled in and paths resolved")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help="as one JSON object")
    verbs.add_parser("keys", help="every key with its type, range, default and meaning (Markdown)")


def run(args: argparse.Namespace) -> int:
    """Do one of the three."""
    if args.action == "keys":
        print(keys_page())
        return ExitCode.OK
    loaded = load_config(args.file)
    if args.action == "check":
        print(f"{args.file}: legal; sha256 {loaded.sha256}")
        return ExitCode.OK
    from engine.config import resolved

    table = resolved(loaded)
    if args.json:
        import orjson

        sys.stdout.write(orjson.dumps(table, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print("\n".join(toml_lines(table)))
    return ExitCode.OK


def toml_lines(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """A resolved configuration as TOML; absent optional keys are left out."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict) and value is not None}
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    lines = [f"[{'.'.join(path)}]"] if path and (plain or not inner) else []
    lines += [f"{key} = {toml_value(value)}" for key, value in plain.items()]
    lines += [""] if lines else []
    for key, value in inner.items():
        lines += toml_lines(value, (*path, toml_key(key)))
    return lines if path else lines[:-1]


def toml_key(key: str) -> str:
    """A key, quoted where TOML needs it."""
    import re

    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_value(value: Any) -> str:
    """One value in TOML's spelling. JSON strings, numbers and booleans are TOML's too."""
    import orjson

    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    return orjson.dumps(value, default=str).decode()


def keys_page() -> str:
    """Every key as Markdown tables, from the schema itself; docs/config.md holds this text."""
    from engine.config_keys import describe

    return describe()
