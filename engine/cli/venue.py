"""``tradewind venue``: run the simulated Binance venue, spot and USD-M futures."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import sys
from pathlib import Path

from engine.cli import venue_ctl, venue_replay

EXIT_OK = 0
EXIT_UNAVAILABLE = 69
EXIT_INTERNAL = 70
EXIT_CANNOT_CREATE = 73
EXIT_CONFIG = 78


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb's arguments."""
    parser = subparsers.add_parser(
        "venue",
        help="run a simulated exchange that speaks Binance's spot and USD-M futures protocols",
        description="Runs a simulated exchange that speaks Binance's spot and USD-M futures protocols over loopback "
        "HTTP and WebSockets. "
        "Exit codes: 0 stopped in order, "
        "69 a port is busy, 70 an error inside, 73 a file cannot be made, 78 the configuration is wrong.",
    )
    parser.add_argument("--config", type=Path, help="TOML file with accounts, symbols and limits (config/venue.toml)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--rest-port", type=int, default=0, help="HTTP port; 0 takes any free one")
    parser.add_argument("--ws-port", type=int, default=0, help="WebSocket port (streams and API); 0 takes any free one")
    parser.add_argument("--rest-tls-port", type=int, help="HTTPS port; needs --tls-dir")
    parser.add_argument("--ws-tls-port", type=int, help="secure WebSocket port; needs --tls-dir")
    parser.add_argument("--tls-dir", type=Path, help="folder for a fresh test authority: ca.pem, server.pem")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated market (default: %(default)s)")
    parser.add_argument("--activity", type=float, help="liveliness of the market: 1 is usual, 0 stands still")
    parser.add_argument("--ready-file", type=Path, help="JSON file written when every port listens")
    parser.add_argument("--frame-log", type=Path, help="binary account of every WebSocket frame sent")
    parser.add_argument("--admin", type=Path, help="unix socket for test commands, one JSON object a line")
    venue_replay.add_arguments(parser)
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ctl", title="a venue that runs")
    venue_ctl.add_parser(actions)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT, or `ctl`; returns the exit code."""
    if hasattr(args, "fault_verb"):
        return venue_ctl.run(args)
    if (args.rest_tls_port is not None or args.ws_tls_port is not None) and args.tls_dir is None:
        return _fail(EXIT_CONFIG, "a TLS port needs --tls-dir, the folder for the test certificates")
    if fault := venue_replay.without_replay(args):
        return _fail(EXIT_CONFIG, fault)
    import uvloop

    from engine.sim.wire.server import PortBusyError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(args))
    except PortBusyError as error:
        return _fail(EXIT_UNAVAILABLE, str(error))
    except ValueError as error:
        return _fail(EXIT_CONFIG, str(error))
    except OSError as error:
        return _fail(EXIT_CANNOT_CREATE, str(error))


async def _serve(args: argparse.Namespace) -> int:
    from engine.runtime.clock import Clock
    from engine.sim.wire import tls
    from engine.sim.wire.build import build_shell
    from engine.sim.wire.server import Ports, VenueServer
    from engine.sim.wire.shell import VenueShell

    clock = Clock()
    context = None if args.tls_dir is None else tls.server_context(args.tls_dir, clock.time_ns())
    if args.replay:
        replay = venue_replay.build(args, clock.time_ns())
        shell: VenueShell = replay.shell
    else:
        shell = build_shell(args.config, args.seed, args.activity, clock.time_ns(), args.frame_log)
    server = VenueServer(shell, clock)
    if args.replay and getattr(args, "exit_at_end", False):
        replay.player.on_end = server.ended.set
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.ended.set)
    freeze_start()
    ports = Ports(args.rest_port, args.ws_port, args.rest_tls_port, args.ws_tls_port)
    await server.start(args.host, ports, context, args.admin)
    _announce(args, server.addresses, server.shell.usdm is not None)
    if args.ready_file is not None:
        server.write_ready_file(args.ready_file, args.host)
    await server.ended.wait()
    await server.stop()
    if args.admin is not None:
        args.admin.unlink(missing_ok=True)
    return EXIT_INTERNAL if server.has_failed else EXIT_OK


def freeze_start() -> None:
    """Leave what the start made out of every later collection, and collect seldom: a busy market makes no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _announce(args: argparse.Namespace, addresses: dict[str, int | str], has_usdm: bool) -> None:
    rest, sockets = "{}/api/v3", "{}/stream and /ws-api/v3"
    if has_usdm:
        rest, sockets = rest + " and /fapi", sockets + ", /public, /market, /private and /ws-fapi/v1"
    schemes = {"rest": f"http://{rest}", "ws": f"ws://{sockets}"}
    schemes |= {"rest_tls": f"https://{rest}", "ws_tls": f"wss://{sockets}"}
    for name, where in addresses.items():
        text = schemes.get(name, "{}").format(where if name == "admin" else f"{args.host}:{where}")
        print(f"venue {name.replace('_', ' '):9} {text}")
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()


def _fail(code: int, text: str) -> int:
    print(f"tradewind venue: {text}", file=sys.stderr)
    return code
