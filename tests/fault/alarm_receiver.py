"""A webhook's receiving end on this host that answers as it is told, and the desk process that posts to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.config_text import GOOD

SECRET = b"a secret of a test"
WAIT_S = 40.0


class AlarmReceiver:
    """`plan`: how the next requests are answered: a status, "hang", "close"; the last one stays. `tls`: it speaks https."""

    def __init__(
        self, *plan: int | str, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.plan: list[int | str] = list(plan) or [200]
        self.requests: list[tuple[dict[str, str], dict[str, Any], bytes]] = []
        self.taken: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._release = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.answer(self, content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Requests are kept, not told."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A desk that is killed leaves broken connections."""

        self._server = Server((host, port), Handler)
        self.port = int(self._server.server_address[1])
        self.url = f"{'http' if tls is None else 'https'}://{host}:{self.port}/alarms"
        if tls is not None:
            # the handshake is made by the request's thread: one that fails keeps nobody waiting
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        told = json.loads(content)
        with self._lock:
            fate = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
            self.requests.append((dict(handler.headers), told, content))
        if fate == "hang":
            self._release.wait(WAIT_S)
        if isinstance(fate, str):
            handler.close_connection = True
            return
        if 200 <= fate < 300:
            with self._lock:
                self.taken.append(told)
        handler.send_response(fate)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def codes(self) -> list[str]:
        with self._lock:
            return [row["code"] for told in self.taken for row in told["alarms"] for _ in range(row["count"])]

    def sequences(self) -> set[int]:
        """Of every alarm of the ledger's that was taken: the last part of its key."""
        with self._lock:
            keys = [key for told in self.taken for row in told["alarms"] for key in row["keys"]]
        return {int(key.rsplit("-", 1)[1]) for key in keys if not key.startswith("desk")}

    def close(self) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def alarm_receiver(*plan: int | str, **terms: Any) -> Iterator[AlarmReceiver]:
    receiver = AlarmReceiver(*plan, **terms)
    try:
        yield receiver
    finally:
        receiver.close()


def until(condition: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def config_with(root: Path, alerts: str) -> Path:
    """A configuration whose only alerts are these; no guard, recorder or signed heads, whose keys are not here."""
    head, rest = GOOD.split("[guard]")[0], GOOD.split("[reconcile]")[1].partition("[recorder]")[0]
    path = root / "engine.toml"
    text = f"{head}{alerts}\n[reconcile]{rest}"
    path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("audit_credential")))
    return path


def webhook_to(url: str, **keys: Any) -> str:
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
    return f'[alerts]\ndisk_free_mb_min = 0\n[alerts.webhook.ops]\nurl = "{url}"\ntimeout_ms = 1000\n{lines}'


def credentials(root: Path) -> Path:
    folder = root / "credentials"
    folder.mkdir(exist_ok=True)
    secret = folder / "ops.secret"
    if not secret.exists():
        secret.write_bytes(SECRET + b"\n")
        secret.chmod(0o400)
    return folder


class Desk:
    """`tradewind desk` as a process of its own, on a free port."""

    def __init__(self, config: Path, **options: Any) -> None:
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(credentials(config.parent))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", "desk", "--config", str(config), "--listen", "127.0.0.1:0", "--json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **options,
        )
        assert self.process.stderr is not None
        self.first_line = self.process.stderr.readline()
        self.address = self.first_line.strip().rsplit("/", 1)[-1]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=WAIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        return self.process.returncode
