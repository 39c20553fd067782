"""`tradewind demo --replay`: the demo on a recorded market, from its first frame to its last."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.demo import report, tickers
from engine.demo.markets import MARKETS, DemoMarket
from engine.demo.processes import DemoError
from engine.demo.session import Demo, DemoOptions
from engine.sim.replay.build import assets_of
from engine.sim.replay.recording import MarketFacts, Survey, survey

QUOTE_NOTIONAL = Decimal(600)
BASE_NOTIONAL = Decimal(125_000)
POSITION_MULTIPLE = 25
REFUSED_AT, KILL_AT = 0.35, 0.55
SETTLED_POLLS = 5
POLL_S = 0.1
E8 = 10**8


@dataclass(frozen=True)
class Recording:
    """What is replayed, and how fast (None: as fast as the engine takes it)."""

    paths: tuple[Path, ...]
    speed: float | None
    found: Survey


def read(paths: tuple[Path, ...], speed: float | None) -> Recording:
    """Look through the files; raises ValueError when they cannot be replayed and OSError when they cannot be read."""
    return Recording(paths, speed, survey(paths))


def market_of(found: Survey) -> DemoMarket:
    """Sizes and balances that fit the recorded markets."""
    usual = MARKETS[found.family]
    qty = {symbol: _lots_for(QUOTE_NOTIONAL, facts) * facts.lot_e8 for symbol, facts in found.markets.items()}
    balances = {"USDT": usual.balances["USDT"]}
    if found.family == "spot":
        balances |= {quote: usual.balances["USDT"] for _, quote in map(assets_of, qty)}
        balances |= {
            assets_of(symbol)[0]: _decimal(_lots_for(BASE_NOTIONAL, facts) * facts.lot_e8)
            for symbol, facts in found.markets.items()
        }
    return replace(
        usual,
        balances=balances,
        qty={symbol: _decimal(size_e8) for symbol, size_e8 in qty.items()},
        max_positions={symbol: _decimal(size_e8 * POSITION_MULTIPLE) for symbol, size_e8 in qty.items()},
        symbols=tuple(qty),
    )


def _lots_for(notional: Decimal, facts: MarketFacts) -> int:
    return max(1, int(notional * E8 * E8 / (facts.first_price_e8 * facts.lot_e8)))


def _decimal(value_e8: int) -> str:
    return f"{Decimal(value_e8).scaleb(-8):.8f}"


class ReplayDemo(Demo):
    """The demo with a venue that replays; it lasts as long as the recording."""

    def __init__(self, options: DemoOptions, recording: Recording) -> None:
        super().__init__(options, market_of(recording.found))
        self.recording = recording
        self.elapsed_s = 0.0
        self.last_status: dict[str, Any] = {}

    # --- the market ---

    def market_arguments(self) -> list[str]:
        """The recording begins on command: when the engine is ACTIVE."""
        speed = self.recording.speed
        files = [str(path.resolve()) for path in self.recording.paths]
        arguments = ["--speed", "max" if speed is None else str(speed), "--start", "on-command"]
        return [*arguments, "--admin", str(self.workspace.admin_socket), "--replay", *files]

    def ask_venue(self, **command: Any) -> dict[str, Any]:
        """One command on the venue's test port."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(30)
            link.connect(str(self.workspace.admin_socket))
            link.sendall(json.dumps(command).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                part = link.recv(65536)
                if not part:
                    raise DemoError(f"the venue hung up on {command}:\n{self.venue.tail()}")
                answer += part
        reply: dict[str, Any] = json.loads(answer)
        if not reply.pop("ok"):
            raise DemoError(f"the venue refused {command}: {reply}")
        return reply

    # --- trade ---

    def trade(self) -> None:
        """From the first frame to the last, and until the engine has taken all of them."""
        began = time.monotonic()
        steps = [(REFUSED_AT, self.show_refusal), (KILL_AT, self.show_kill)]
        self.ask_venue(cmd="replay", begin=True)
        while (status := self.ask_venue(cmd="replay"))["state"] != "ended":
            for child in self.children:
                child.require_alive()
            # at full speed the recording would be over before a kill is: it is shown when the market stands still
            progress = status["frames"] / status["frames_total"] if self.recording.speed else 0.0
            if steps and progress >= steps[0][0]:
                steps.pop(0)[1]()
            self.screen.show(time.monotonic() - began, self.counters.snapshot())
            time.sleep(POLL_S)
        self.last_status = status
        self.wait_taken()
        self.elapsed_s = time.monotonic() - began
        for _, step in steps:
            step()

    def wait_taken(self) -> None:
        """Until the engine has read what the venue has sent."""
        unchanged, before = 0, -1
        while unchanged < SETTLED_POLLS:
            self.engine.require_alive()
            now = self.counters.snapshot()["counters"]["market_frames"]
            unchanged = unchanged + 1 if now == before else 0
            before = now
            time.sleep(POLL_S)

    # --- finish ---

    def seconds(self) -> float:
        """How long the recording took."""
        return round(self.elapsed_s, 3)

    def finish(self) -> dict[str, Any]:
        """The demo's summary, and what was replayed."""
        summary = super().finish()
        found, status = self.recording.found, self.last_status
        summary["replay"] = {
            "files": [path.name for path in self.recording.paths],
            "family": found.family,
            "symbols": list(found.symbols),
            "speed": "max" if self.recording.speed is None else self.recording.speed,
            "recorded_s": round((found.last_ns - found.first_ns) / 1e9, 3),
            "frames_recorded": found.frames,
            "frames_played": status["frames"],
            "held_back": status["blocked"],
            "tickers_recorded": {symbol: facts.tickers_of_book for symbol, facts in found.markets.items()},
            "tickers_synchronised": tickers.synchronised_tickers(self.reader()),
            "first_book": [line.removeprefix("venue replay").strip() for line in self.notes()],
        }
        return summary

    def notes(self) -> list[str]:
        """What the venue said of the recording's books."""
        lines = self.venue.log_path.read_text(errors="replace").splitlines()
        return [line for line in lines if "the book begins with" in line]


def failures(summary: dict[str, Any]) -> list[str]:
    """What did not hold; as of the usual demo, but for what a recording cannot promise."""
    checked, equal, replay = summary["book_checked"], summary["book_equal"], summary["replay"]
    recorded = replay["tickers_recorded"]
    missed = tickers.missed(recorded, replay["tickers_synchronised"])
    is_equal = equal == checked if replay["family"] == "usdm" else equal > 0.999 * checked
    checks = {
        **report.agreement(summary),
        report.CHECKED_MOST: checked >= report.CHECKED_SHARE * sum(recorded.values()),
        f"every market's best bids and offers reached a synchronised book: {', '.join(missed)}": not missed,
        "best bids and offers were checked": checked > 0,
        "every best bid and offer checked was equal (spot: more than 99.9 %)": is_equal,
        "the whole recording was played": replay["frames_played"] == replay["frames_recorded"],
        "every recorded frame reached the engine": summary["market_events"] >= replay["frames_recorded"],
        "no frame was left unread": summary["frames"]["unread_at_close"] <= report.UNREAD_MOST,
    }
    return [text for text, holds in checks.items() if not holds]
