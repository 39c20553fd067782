"""The desk process: /metrics, /healthz and /readyz on one port, the ledger's events as lines on standard output."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from engine.desk.account_metrics import AccountCollector
from engine.desk.counters_source import CountersSource
from engine.desk.events import EventLog
from engine.desk.health import Health
from engine.desk.ledger import LedgerFold
from engine.desk.metrics import EngineCollector
from engine.desk.reader_metrics import ReaderCollector
from engine.desk.recorder.worker import RecorderStatus, RecorderWorker
from engine.desk.retention import Retention
from engine.desk.signing import HeadKeeper
from engine.desk.snapshots import SnapshotKeeper
from engine.journal.errors import JournalError
from engine.model.codes import Lane
from engine.notify.metrics import NotifierCollector
from engine.notify.service import AlertService
from engine.runtime.clock import Clock
from engine.runtime.service import Supervisor

if TYPE_CHECKING:
    from engine.desk.recorder.recorder import Recorder

POLL_S = 0.1
RETRY_S = 2.0
FIRST_EVENTS_MAX = 1000
TOLD_MAX = 1000
REQUEST_S_MAX = 10.0


class DeskPortError(Exception):
    """The port cannot be listened on (exit code 69)."""


@dataclass(frozen=True)
class DeskPlaces:
    """Which engine, and where its files are."""

    engine: str
    counters: Path
    data_dir: Path
    listen: str
    keep_days: Mapping[Lane, float] = field(default_factory=dict)
    sign_head: Callable[[bytes], bytes] | None = None
    sign_interval_s: float = 300.0
    # makes the recorder, on its thread; None: nothing is recorded
    make_recorder: Callable[[], Recorder] | None = None


class DeskServer:
    """Serves until `stop`. `address` is where; port 0 in `listen` takes any free one."""

    def __init__(
        self,
        places: DeskPlaces,
        print_event: Callable[[dict[str, Any]], None],
        alerts: Callable[[Callable[[str], None]], AlertService | None] = lambda _: None,
        snapshots: SnapshotKeeper | None = None,
    ) -> None:
        self._places = places
        self._print_event = print_event
        self._stopping = threading.Event()
        source = CountersSource(places.counters)
        self.health = Health(source, Clock())
        self._registry = CollectorRegistry()
        self._registry.register(EngineCollector(source, places.engine, self.health))
        self._registry.register(AccountCollector(lambda: LedgerFold(places.data_dir), places.engine))
        # what the recorder's thread tells: printed here, where lines do not mix
        self._told: deque[str] = deque(maxlen=TOLD_MAX)
        self._recorder: RecorderWorker | None = None
        if places.make_recorder is not None:
            self._recorder = RecorderWorker(places.make_recorder, self._told.append, Clock())
        self._registry.register(ReaderCollector(places.data_dir, places.engine, self._recorder_status, Clock()))
        self._alerts = alerts(self._print_own)
        if self._alerts is not None:
            self._registry.register(NotifierCollector(self._alerts.notifier, places.engine))
        # one lock, because a scrape and a health check may find the file replaced at the same moment
        self._lock = threading.Lock()
        self._http = listen(places.listen, self._answer)
        self._events: EventLog | None = None
        self._retention = Retention(places.data_dir, places.keep_days, Clock())
        self._heads = HeadKeeper(places.data_dir, places.sign_head, places.sign_interval_s, Clock())
        self._snapshots = snapshots
        self._fault = ""
        self._supervisor = Supervisor.of_environment(Clock())

    @property
    def address(self) -> str:
        """host:port that is listened on."""
        host, port = str(self._http.server_address[0]), self._http.server_address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def stop(self, *_: object) -> None:
        """End `run`; may be a signal's handler."""
        self._stopping.set()

    def run(self) -> None:
        """Serve HTTP on a thread, print events and let go of old segments here, until stopped."""
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            if self._recorder is not None:
                self._recorder.start()
            if self._alerts is not None:
                self._alerts.start()
            self._supervisor.ready(f"serves http://{self.address}")
            while not self._stopping.is_set():
                if self._alerts is not None:
                    self._alerts.check()
                self._supervisor.beat()
                self._stopping.wait(POLL_S if self._print_new() else RETRY_S)
                for text in (
                    *self._retention.poll(),
                    *self._heads.poll(),
                    *(self._snapshots.poll() if self._snapshots else ()),
                ):
                    self._print_own(text)
                while self._told:
                    self._print_own(self._told.popleft())
        finally:
            for text in self._heads.poll(is_last=True):
                self._print_own(text)
            self._supervisor.stopping("stopping")
            self._supervisor.close()
            if self._recorder is not None:
                self._recorder.stop()
            if self._alerts is not None:
                self._alerts.stop()
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def _print_new(self) -> bool:
        """Print what came; False while the ledger cannot be read (told once a cause)."""
        try:
            if self._events is None:
                self._events = EventLog(self._places.data_dir)
                events = of_this_run(self._events.last(FIRST_EVENTS_MAX))
            else:
                events = list(self._events.new())
        except JournalError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                self._print_own(f"the ledger cannot be read: {error}")
            self._events = None
            return False
        self._fault = ""
        for event in events:
            self._print_event(event)
        return True

    def _print_own(self, text: str) -> None:
        """An event of the desk's, not of the ledger."""
        self._print_event({"seq": 0, "wall_ns": 0, "kind": "DESK", "text": text})

    def recorder_fault(self) -> str:
        """Why nothing has been recorded for a while; empty where all is well, or nothing is to be recorded."""
        return self._recorder.lasting_fault() if self._recorder is not None else ""

    def _recorder_status(self) -> RecorderStatus | None:
        return self._recorder.status if self._recorder is not None else None

    def _answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a GET."""
        with self._lock:
            if path == "/metrics":
                encoder, content_type = choose_encoder(accept)
                return 200, content_type, encoder(self._registry)
            if path not in ("/healthz", "/readyz"):
                return 404, "text/plain; charset=utf-8", b"/metrics, /healthz or /readyz\n"
            state = self.health.state()
        good = state["alive"] if path == "/healthz" else state["ready"]
        return (200 if good else 503), "application/json", orjson.dumps(state) + b"\n"


def of_this_run(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From the last start on: what a desk that begins beside its engine must not miss."""
    starts = [index for index, event in enumerate(events) if event["kind"] == "START"]
    return events[starts[-1] :] if starts else events


def listen(address: str, answer: Callable[[str, str], tuple[int, str, bytes]]) -> ThreadingHTTPServer:
    """A server on `host:port`. Raises DeskPortError in one clear line."""

    class Handler(BaseHTTPRequestHandler):
        """GET and nothing else; silent."""

        server_version = "tradewind-desk"
        sys_version = ""
        timeout = REQUEST_S_MAX

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.split("?")[0], self.headers.get("Accept") or "")
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Scrapes are no events."""

    host, _, port = address.rpartition(":")
    host = host.strip("[]")

    class Server(ThreadingHTTPServer):
        """IPv4 or IPv6, as the address says."""

        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    try:
        return Server((host, int(port)), Handler)
    except OSError as error:
        busy = error.errno == errno.EADDRINUSE
        why = (
            "is in use: another desk may be running; set [desk] listen" if busy else f"cannot be used: {error.strerror}"
        )
        raise DeskPortError(f"{address} {why}") from None


def stop_on_signals(desk: DeskServer) -> None:
    """SIGTERM and Ctrl-C end the desk in order."""
    signal.signal(signal.SIGTERM, desk.stop)
    signal.signal(signal.SIGINT, desk.stop)
