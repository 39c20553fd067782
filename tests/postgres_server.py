"""A PostgreSQL server of a test's own: in a temporary directory, on a Unix socket, as a user who is not root; it can be killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
START_S_MAX = 60.0
USERS = ("postgres", "nobody")
# the processes see no more of our environment than they need
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are: on the path, or where Debian keeps them, the newest; None where they are not."""
    found = shutil.which("postgres")
    if found and shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3])) if DEBIAN.is_dir() else []
    return versions[-1].parent if versions else None


def user_of_ours() -> str | None:
    """Whom the server runs as: the server refuses root. None: as ourselves. RuntimeError where root finds nobody."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError(f"none of the users {USERS} is there, and PostgreSQL refuses root")


class PostgresServer:
    """Made, started; `url(name)` of a new empty database; `kill` as power would, `start` again; `close` removes all."""

    def __init__(self, folder: Path | None = None) -> None:
        found = binaries()
        if found is None:
            raise RuntimeError("no PostgreSQL server here; on Debian or Ubuntu: apt-get install postgresql")
        self._binaries = found
        self._user = user_of_ours()
        memory = Path("/dev/shm")
        place = folder or (memory if memory.is_dir() else None)
        self.folder = Path(tempfile.mkdtemp(prefix="tradewind-pg-", dir=place))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "tradewind", "--auth=trust", "-E", "UTF8", "-N")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections. A killed one's processes may take a moment to be gone."""
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            if self._answers():
                return
            time.sleep(0.05)
        raise RuntimeError(f"the server does not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9 of the server; its children notice and end."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def kill_backends(self) -> int:
        """kill -9 of every process that serves a recorder; the server then ends all others and recovers."""
        assert self._process is not None
        killed = 0
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError, ValueError):
                parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self._process.pid and path.read_bytes().startswith(b"postgres: tradewind"):
                    os.kill(int(path.parent.name), signal.SIGKILL)
                    killed += 1
        return killed

    def database(self) -> str:
        """The URL of a new, empty database, as a configuration would name it."""
        self._made += 1
        name = f"desk{self._made}"
        self._sql(f"CREATE DATABASE {name}")
        return f"postgresql://tradewind@/{name}?host={self.folder}"

    @property
    def pid(self) -> int:
        """Of the process that all others of the server come from."""
        assert self._process is not None
        return self._process.pid

    def close(self) -> None:
        """End it and remove what it left."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        options = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "20"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *settings]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, group=self._group(), env=ENVIRONMENT, cwd="/"
            )

    def _group(self) -> int | None:
        return pwd.getpwnam(self._user).pw_gid if self._user is not None else None

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / name), *arguments],
            capture_output=True, user=self._user, group=self._group(), env=ENVIRONMENT, cwd="/", check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode(errors='replace')}")

    def _answers(self) -> bool:
        import psycopg

        try:
            self._sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _sql(self, text: str) -> None:
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user="tradewind", dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(text.encode())
