"""Wire to wire: a market-data frame leaves the venue's socket, and the order that answers it comes back.

Measured from outside by a C loop (``wire_peer.c``), for the daemon (journal, gate, OMS, Python strategy) and for the least
that a C client can do (``wire_echo.c``), in turn, round by round, over loopback WebSockets: spin and block, plain and TLS.
Quoted: median and p99 of each, and their ratios, which `targets.md` of the plan limits. Run: ``python bench/wire.py [--json]``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parts.engine_config import remove, runtime_folder, write_config, write_credentials
from parts.history import arguments, finish
from parts.wire_venue import FrameFactory, WireVenue

from engine.model.codes import Stage
from engine.runtime.counters_reader import CountersError, CountersReader, Histogram

HERE = Path(__file__).resolve().parent
PARTS = HERE / "parts"

CPUS = sorted(os.sched_getaffinity(0))
ENGINE_CPU = CPUS[0] if len(CPUS) > 1 else None
WARM_FRAMES = 50
TARGETS = {"spin": (1.2, 1.4), "block": (1.2, None)}
ANSWER_TIMEOUT_MS = 200


@dataclass
class Series:
    """Round trips of one client in one mode, nanoseconds."""

    samples: list[int] = field(default_factory=list)
    p50_by_round: list[float] = field(default_factory=list)
    p99_by_round: list[float] = field(default_factory=list)
    lost: int = 0

    def add(self, values: list[int]) -> None:
        """One round; unanswered frames (-1) are counted, not averaged."""
        good = sorted(value for value in values if value > 0)
        self.lost += len(values) - len(good)
        if good:
            self.samples += good
            self.p50_by_round.append(good[len(good) // 2])
            self.p99_by_round.append(good[int(len(good) * 0.99)])


def compile_parts(folder: Path) -> tuple[ctypes.CDLL, Path]:
    """Build the C parts, with TLS where OpenSSL's headers are. Raises SystemExit naming what is missing."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise SystemExit("no C compiler found: install one (cc or gcc), or set CC")
    library, echo = folder / "wire_peer.so", folder / "wire_echo"
    for tls in (["-DWITH_TLS"], []):
        link = ["-lssl", "-lcrypto"] if tls else []
        build = [compiler, "-O2", *tls]
        peer = [*build, "-shared", "-fPIC", str(PARTS / "wire_peer.c"), "-o", str(library), *link]
        yard = [*build, str(PARTS / "wire_echo.c"), "-o", str(echo), *link]
        if all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in (peer, yard)):
            break
    else:
        raise SystemExit(
            "the C parts of the benchmark do not compile: run the compiler on bench/parts/wire_peer.c to see why"
        )
    loaded = ctypes.CDLL(str(library))
    pointer = ctypes.c_void_p
    loaded.tls_server.restype = loaded.conn_open.restype = pointer
    loaded.conn_open.argtypes = [ctypes.c_int, pointer]
    loaded.conn_read_head.restype = loaded.conn_read_text.restype = ctypes.c_long
    loaded.conn_read_head.argtypes = [pointer, ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    loaded.conn_read_text.argtypes = [pointer, ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    loaded.conn_write.argtypes = loaded.conn_send_text.argtypes = loaded.answer_order.argtypes = [
        pointer,
        ctypes.c_char_p,
        ctypes.c_long,
    ]
    integer = ctypes.c_int
    loaded.measure.argtypes = [pointer, pointer, ctypes.c_char_p, pointer, integer, pointer, integer, integer, integer]
    return loaded, echo


def measure(
    venue: WireVenue, library: ctypes.CDLL, roles: tuple[str, str], frames: list[bytes], answer: bool, pause_us: int
) -> list[int]:
    """One round of `frames` to the client of these roles; nanoseconds each, -1 where no order came."""
    offsets = (ctypes.c_uint32 * (len(frames) + 1))()
    total = 0
    for index, frame in enumerate(frames):
        total += len(frame)
        offsets[index + 1] = total
    out = (ctypes.c_int64 * len(frames))()
    market, orders = (venue.roles[role] for role in roles)
    done = library.measure(
        market, orders, b"".join(frames), offsets, len(frames), out, pause_us, ANSWER_TIMEOUT_MS, int(answer)
    )
    if done < 0:
        raise RuntimeError(f"{roles[0]}: the connection was closed while it was measured")
    return list(out)


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that is ended with the block."""
    child = subprocess.Popen(command, **options)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.wait()


@contextlib.contextmanager
def on_the_other_core() -> Iterator[None]:
    """Keep this thread off the clients' core; children that start later would inherit it, so not before they run."""
    before = os.sched_getaffinity(0)
    if ENGINE_CPU is not None:
        os.sched_setaffinity(0, before - {ENGINE_CPU})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def wait_active(folder: Path, venue: WireVenue, frames: FrameFactory, engine: subprocess.Popen[bytes]) -> None:
    """Feed frames until the daemon answers with orders; its connections and reconciliation stand then."""
    log = folder / "engine.log"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if engine.poll() is not None:
            raise RuntimeError(f"the daemon ended with {engine.returncode}: {log.read_text()[-2000:]}")
        time.sleep(0.1)
        if not {"market", "orders"} <= venue.roles.keys():
            continue
        venue.send_market(frames.next_frame())
        with contextlib.suppress(CountersError):  # the file appears while the daemon starts
            if CountersReader(folder / "run" / "counters").values()["orders_sent"] > 3:
                return
    raise RuntimeError(f"the daemon sent no order within 30 s: {log.read_text()[-2000:]}")


@dataclass
class Client:
    """One of the two that answer frames in turn."""

    process: subprocess.Popen[bytes]
    roles: tuple[str, str]
    series: Series
    is_engine: bool


class Mode:
    """One way to wait on one kind of wire: yardstick and daemon connected to the same venue."""

    def __init__(
        self, wait: str, certificate: tuple[Path, Path] | None, parts: tuple[ctypes.CDLL, Path], pause_us: int
    ) -> None:
        self.wait, self.certificate, self.pause_us = wait, certificate, pause_us
        self.library, self.echo = parts
        self.frames = FrameFactory()
        self.inside = Histogram(0, 0, {})

    def run(self, rounds: int, count: int) -> dict[str, Any]:
        """Measure both in turn, the other stopped meanwhile, so that each has the core to itself."""
        with contextlib.ExitStack() as stack:
            folder = runtime_folder()
            stack.callback(remove, folder)
            venue = WireVenue(self.library, self.certificate)
            stack.callback(venue.close)
            engine = self._start_engine(stack, folder, venue)
            yardstick = self._start_yardstick(stack, venue)
            venue.measuring.set()
            stack.enter_context(on_the_other_core())
            time.sleep(0.1)
            yard = Client(yardstick, ("echo-market", "echo-orders"), Series(), False)
            ours = Client(engine, ("market", "orders"), Series(), True)
            for _ in range(rounds):
                for client, other in ((yard, ours), (ours, yard)):
                    other.process.send_signal(signal.SIGSTOP)
                    client.process.send_signal(signal.SIGCONT)
                    time.sleep(0.05)
                    self._one_round(venue, client, count, folder)
            return summary(self.wait, bool(self.certificate), yard.series, ours.series, self.inside)

    def _start_engine(self, stack: contextlib.ExitStack, folder: Path, venue: WireVenue) -> subprocess.Popen[bytes]:
        credentials = write_credentials(folder)
        authority = self.certificate[0] if self.certificate else None
        config = write_config(
            folder,
            folder / "run",
            rest_port=venue.rest_port,
            stream_port=venue.port,
            wait=self.wait,
            tls_ca=authority,
            cpu=ENGINE_CPU,
        )
        log = stack.enter_context((folder / "engine.log").open("wb"))
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(credentials), "PYTHONPATH": f"{PARTS}:{HERE.parent}"}
        command = [sys.executable, "-m", "engine", "run", "--config", str(config)]
        engine = stack.enter_context(running(command, stdout=log, stderr=log, env=environment))
        wait_active(folder, venue, self.frames, engine)
        return engine

    def _start_yardstick(self, stack: contextlib.ExitStack, venue: WireVenue) -> subprocess.Popen[bytes]:
        pinned = ["taskset", "-c", str(ENGINE_CPU)] if ENGINE_CPU is not None and shutil.which("taskset") else []
        command = [*pinned, str(self.echo), str(venue.port), self.wait, "tls" if self.certificate else "plain"]
        yardstick = stack.enter_context(running(command))
        venue.wait_for("echo-market", "echo-orders")
        return yardstick

    def _one_round(self, venue: WireVenue, client: Client, count: int, folder: Path) -> None:
        first_id = self.frames.update_id
        warm = [self.frames.next_frame() for _ in range(WARM_FRAMES)]
        batch = [self.frames.next_frame() for _ in range(count)]
        measure(venue, self.library, client.roles, warm, client.is_engine, self.pause_us)
        counters = CountersReader(folder / "run" / "counters")
        before = counters.histogram(Stage.BYTES_READY)
        client.series.add(measure(venue, self.library, client.roles, batch, client.is_engine, self.pause_us))
        if client.is_engine:
            self.inside = self.inside.merged(counters.histogram(Stage.BYTES_READY).minus(before))
        else:
            self.frames.update_id = first_id  # the daemon has not seen these


def quantile(samples: list[int], fraction: float) -> float:
    """Of the sorted samples, in microseconds."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] / 1000 if ordered else 0.0


def summary(wait: str, tls: bool, yard: Series, ours: Series, inside: Histogram) -> dict[str, Any]:
    """Medians over rounds of the ratio ours / yardstick, and the absolute figures beside them."""
    p50 = statistics.median(a / b for a, b in zip(ours.p50_by_round, yard.p50_by_round, strict=False))
    p99 = statistics.median(a / b for a, b in zip(ours.p99_by_round, yard.p99_by_round, strict=False))
    limit50, limit99 = TARGETS[wait]
    return {
        "wait": wait,
        "tls": tls,
        "c_us": {"p50": quantile(yard.samples, 0.5), "p99": quantile(yard.samples, 0.99)},
        "tradewind_us": {"p50": quantile(ours.samples, 0.5), "p99": quantile(ours.samples, 0.99)},
        "ratio": {"p50": round(p50, 3), "p99": round(p99, 3)},
        "target": {"p50": limit50, "p99": limit99},
        "met": p50 <= limit50 and (limit99 is None or p99 <= limit99),
        "unanswered": {"c": yard.lost, "tradewind": ours.lost},
        "samples": len(ours.samples),
        "callback_to_bytes_ns": {"p50": inside.quantile_ns(0.5), "p99": inside.quantile_ns(0.99)},
    }


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 for the TLS rounds."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files[1].write_bytes(private)
    return files


def print_table(rows: list[dict[str, Any]]) -> None:
    """One line a mode."""
    head = f"{'wait':6}{'wire':7}{'C p50':>9}{'p99':>8}{'ours p50':>10}{'p99':>8}{'ratio p50':>11}{'p99':>7}"
    head += "  target              inside p50   p99 us"
    print(head)
    for row in rows:
        limit = f"<= {row['target']['p50']}" + (f" / {row['target']['p99']}" if row["target"]["p99"] else "")
        wire = "tls" if row["tls"] else "plain"
        c_us, own, ratio = row["c_us"], row["tradewind_us"], row["ratio"]
        verdict = "met" if row["met"] else "NOT met"
        inside = row["callback_to_bytes_ns"]
        print(
            f"{row['wait']:6}{wire:7}{c_us['p50']:9.1f}{c_us['p99']:8.1f}{own['p50']:10.1f}{own['p99']:8.1f}"
            f"{ratio['p50']:11.2f}{ratio['p99']:7.2f}  {limit:11} {verdict:8}{inside['p50'] / 1000:9.1f}{inside['p99'] / 1000:7.1f}"
        )
    print("inside: frame callback to order bytes in the daemon, in the same rounds")


def main() -> int:
    """Parse, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--count", type=int, default=500, help="frames a round")
    parser.add_argument("--pause-us", type=int, default=200, help="between an order and the next frame")
    parser.add_argument("--modes", default="spin,block")
    parser.add_argument("--wires", default="plain,tls")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="tradewind-wire-build-") as name:
        parts = compile_parts(Path(name))
        files = certificate_files(Path(name))
        for wire in options.wires.split(","):
            if wire == "tls" and not parts[0].has_tls():
                print("TLS rounds left out: OpenSSL's headers are not installed", file=sys.stderr)
                continue
            modes = [
                Mode(wait, files if wire == "tls" else None, parts, options.pause_us)
                for wait in options.modes.split(",")
            ]
            rows += [mode.run(options.rounds, options.count) for mode in modes]
    if not options.json:
        print_table(rows)
    finish("wire", rows, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
