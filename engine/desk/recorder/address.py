"""Which database: the word `sqlite`, or a URL. Needs no SQL library, so that a configuration can be checked without one."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from urllib.parse import quote, urlsplit

from engine.desk.recorder.faults import RecorderRefused

FILE_NAME = "recorder.sqlite"
SCHEMES = ("sqlite", "postgresql")


def database_fault(text: str) -> str:
    """What is wrong with a configured database; empty where nothing is."""
    if text == "sqlite":
        return ""
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES:
        return 'must be "sqlite", "sqlite:///FILE" or "postgresql://USER@HOST/NAME"'
    if parts.password is not None:
        return "must hold no password: put it into a credential file and name that in `credential`"
    if parts.scheme == "sqlite":
        return (
            "" if not parts.netloc and len(parts.path) > 1 else 'must name a file, as "sqlite:////var/lib/desk.sqlite"'
        )
    return "" if len(parts.path) > 1 else 'must name a database, as "postgresql://USER@HOST/NAME"'


def resolve(text: str, data_dir: Path, password: str = "") -> str:
    """The URL that SQLAlchemy takes. RecorderRefused where its library is not installed."""
    require("sqlalchemy", "alembic", extra="sql")
    if text == "sqlite":
        return f"sqlite+pysqlite:///{data_dir / FILE_NAME}"
    if text.startswith("sqlite:"):
        return "sqlite+pysqlite:" + text.removeprefix("sqlite:")
    require("psycopg", extra="postgres")
    url = "postgresql+psycopg:" + text.partition(":")[2]
    if password:
        user, _, rest = url.partition("@")
        url = f"{user}:{quote(password, safe='')}@{rest}"
    return url


def shown(url: str) -> str:
    """A URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":...@")


def require(*modules: str, extra: str) -> None:
    """RecorderRefused with the mend where a library is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise RecorderRefused(f"recording needs {' and '.join(missing)}: pip install 'tradewind[{extra}]'")
