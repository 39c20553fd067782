"""The doctor's look at the host: processor, clock, limits, directories, disk."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.cli.doctor_checks import Check, fail, ok, warn
from engine.config import Config

DESCRIPTORS_MIN = 1024
DAY_S = 86_400
FORECAST_SPAN_S_MIN = 600
FORECAST_SEGMENTS_MAX = 64
MIB = 1 << 20
STA_UNSYNC = 0x40
TIME_ERROR = 5
MAX_ERROR_US = 100_000


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def processor(config: Config) -> Iterator[Check]:
    """SSE 4.2 (checksums), the cores that we may use, the pinned one."""
    machine = platform.machine()
    flags = Path("/proc/cpuinfo").read_text()
    if machine in ("x86_64", "AMD64") and "sse4_2" not in flags:
        yield fail("processor", "no SSE 4.2", "the compiled core needs it: use a processor made after 2009")
    else:
        yield ok("processor", f"{machine}, SSE 4.2" if "sse4_2" in flags else machine)
    cores = os.sched_getaffinity(0)
    cpu, spins = config.engine.cpu, config.engine.wait == "spin"
    if cpu is not None and cpu not in cores:
        yield fail("cores", f"engine.cpu = {cpu} is not among {sorted(cores)}", "choose another or widen CPUAffinity=")
    elif spins and len(cores) < 2:
        yield warn("cores", 'wait = "spin" on one core starves everything else', 'set wait = "block" or give two cores')
    else:
        yield ok("cores", f"{len(cores)} usable" + (f", pinned to {cpu}" if cpu is not None else ""))


def clock() -> Iterator[Check]:
    """Is the system's clock disciplined, and is reading it cheap."""
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state == -1:
        yield warn("clock", "adjtimex is not allowed here", "make sure that the host runs chrony or systemd-timesyncd")
    elif state == TIME_ERROR or timex.status & STA_UNSYNC:
        yield warn("clock", "the system clock is not synchronised", "run chrony or systemd-timesyncd")
    elif timex.maxerror > MAX_ERROR_US:
        text = f"synchronised, but it may be off by {timex.maxerror / 1000:.0f} ms"
        yield warn("clock", text, "use nearer time servers")
    else:
        yield ok("clock", f"synchronised, at most {timex.maxerror / 1000:.1f} ms off")
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    name = source.read_text().strip() if source.exists() else "unknown"
    if name in ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"):
        yield ok("clock source", name)
    else:
        yield warn(
            "clock source", f"{name}: each reading is a system call", "boot with clocksource=tsc where it is stable"
        )


def limits() -> Iterator[Check]:
    """Open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS_MIN:
        yield warn("open files", f"at most {soft}", f"set LimitNOFILE= or ulimit -n to {DESCRIPTORS_MIN} or more")
    else:
        yield ok("open files", f"at most {soft}")


def runtime_dir(config: Config) -> Iterator[Check]:
    """On memory, private, and large enough for the fronts."""
    path = Path(config.engine.runtime_dir)
    yield from private_directory("runtime_dir", path)
    place = nearest(path)
    kind = filesystem_of(place)
    if kind in ("tmpfs", "ramfs"):
        yield ok("runtime filesystem", f"{kind}: {place}")
    else:
        text = f"{path} is on {kind}: a front on a disk stalls the engine when the disk does"
        yield warn("runtime filesystem", text, "put runtime_dir on a tmpfs, as below /run")
    used = sum(file.stat().st_size for file in path.iterdir() if file.is_file()) if path.is_dir() else 0
    needed = config.journal.ledger_front_bytes + config.journal.tape_front_bytes + MIB
    room = shutil.disk_usage(place).free + used
    if room < needed:
        yield fail("runtime space", f"{room // MIB} MiB for {needed // MIB} MiB of fronts", "enlarge the tmpfs")
    else:
        yield ok("runtime space", f"{room // MIB} MiB for {needed // MIB} MiB of fronts")


def data_dir(config: Config) -> Iterator[Check]:
    """On a disk, private, writable, and not full soon."""
    path = Path(config.engine.data_dir)
    yield from private_directory("data_dir", path)
    kind = filesystem_of(nearest(path))
    if kind in ("tmpfs", "ramfs"):
        yield warn("data filesystem", f"{path} is on {kind}: it is gone after a power cut", "put data_dir on a disk")
    else:
        yield ok("data filesystem", f"{kind}: {nearest(path)}")
    yield forecast(config, path)


def private_directory(name: str, path: Path) -> Iterator[Check]:
    """Ours, writable, closed to others; or that it can be made."""
    if not path.exists():
        parent = nearest(path)
        if os.access(parent, os.W_OK | os.X_OK):
            yield ok(name, f"{path} will be made")
        else:
            yield fail(name, f"{path} is not there and {parent} is not writable", "make it, owned by the engine's user")
        return
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        yield fail(name, f"{path} is no directory", "name a directory")
    elif not os.access(path, os.W_OK | os.X_OK):
        yield fail(name, f"{path} is not writable for uid {os.geteuid()}", "chown it to the engine's user")
    elif found.st_mode & 0o002:
        yield fail(name, f"{path} is writable for every user", f"chmod 0700 {path}")
    elif found.st_mode & 0o055:
        yield warn(name, f"{path} is open to other users", f"chmod 0700 {path}")
    else:
        yield ok(name, f"{path} is private")


def forecast(config: Config, path: Path) -> Check:
    """Bytes a day from the segments there are, what retention will hold, and when the disk is full."""
    free = shutil.disk_usage(nearest(path)).free
    rates = {lane: bytes_per_day(path, number) for number, lane in enumerate(("ledger", "tape"))}
    if all(rate is None for rate in rates.values()):
        return ok("disk forecast", f"{free // MIB} MiB free; too little journal yet to forecast from")
    ledger, tape = (rate or 0.0 for rate in rates.values())
    daily = ledger + tape
    kept = ledger * config.journal.ledger_keep_days + tape * config.journal.tape_keep_days
    days = free / daily if daily else float("inf")
    text = f"{daily / MIB:.0f} MiB a day (ledger {ledger / MIB:.1f}, tape {tape / MIB:.1f}), {free // MIB} MiB free"
    mend = "enlarge the disk or lower tape_keep_days"
    if days < 1:
        return fail("disk forecast", f"{text}: full in {days * 24:.1f} h", mend)
    if days < 7 and kept > free:
        return warn("disk forecast", f"{text}: full in {days:.1f} days", mend)
    if kept > free:
        return warn("disk forecast", f"{text}; retention will hold {kept / MIB:.0f} MiB", mend)
    return ok("disk forecast", text)


def bytes_per_day(data_dir: Path, lane: int) -> float | None:
    """The rate at which a lane has grown over its latest segments; None where that is too short to tell."""
    from engine.journal.places import segments
    from engine.journal.reader import read_header

    found = segments(data_dir, lane)[-FORECAST_SEGMENTS_MAX:]
    headers = [(header, path) for _, path in found if (header := read_header(path)) is not None]
    if not headers:
        return None
    last_written_s = max(path.stat().st_mtime for _, path in headers)
    span_s = last_written_s - headers[0][0].created_wall_ns / 1e9
    if span_s < FORECAST_SPAN_S_MIN:
        return None
    # blocks, not length: the last segment may be preallocated
    return sum(path.stat().st_blocks * 512 for _, path in headers) * DAY_S / span_s


def nearest(path: Path) -> Path:
    """The path itself, or the nearest directory above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def filesystem_of(path: Path) -> str:
    """The type of the filesystem that holds `path`: that of the longest mount point above it."""
    resolved = str(path.resolve())
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, found, *_ = line.split()
        point = point.replace("\\040", " ")
        if len(point) >= len(best) and (resolved == point or resolved.startswith(point.rstrip("/") + "/")):
            best, kind = point, found
    return kind
