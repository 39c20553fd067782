"""R19: a faulty configuration is refused, naming key and line, in words that help; legal values pass.

Each class of fault on each key is in `test_config_every_key.py`; here are the words, and the crash loop as an inline table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import ConfigError, keys_of, load, resolved
from engine.config_alerts_schema import AlertsSection, CommandSection, WebhookSection
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
    ReconcileSection,
    RunawaySection,
    StrategySection,
    VenueSection,
)
from engine.config_source import scan
from engine.model.limits import LIMITS
from tests.config_text import GOOD

ROOT = Path(__file__).resolve().parents[2]

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "engine": EngineSection,
    "engine.crash_loop": CrashLoop,
    "journal": JournalSection,
    "venue.sim": VenueSection,
    "risk": RiskSection,
    "risk.account.1": AccountRisk,
    "risk.strategy.maker": StrategyRisk,
    "risk.modes": RiskModes,
    "risk.modes.ELEVATED": ModeRule,
    "risk.measures": MeasureSection,
    "portfolio": PortfolioSection,
    "health": HealthSection,
    "risk.instrument.BTCUSDT": InstrumentRisk,
    "strategy.maker": StrategySection,
    "control": ControlSection,
    "desk": DeskSection,
    "guard": GuardSection,
    "reconcile": ReconcileSection,
    "runaway": RunawaySection,
    "alerts": AlertsSection,
    "alerts.webhook.ops": WebhookSection,
    "alerts.webhook.chat": WebhookSection,
    "alerts.command.page": CommandSection,
}

SUBTABLES = frozenset(
    f"risk.{name}" for name in ("instrument", "account", "venue", "strategy", "modes", "measures")
) | {f"risk.modes.{name}" for name in ("ELEVATED", "HIGH", "CRITICAL")}
SUBTABLES |= {"alerts.webhook", "alerts.command"}


def keys() -> Iterator[tuple[str, Any]]:
    for table, section in SECTIONS.items():
        for name, key in keys_of(section).items():
            # a webhook's address stands in the file or in a credential, never in both: each has a table
            stands_elsewhere = (table, name) == ("alerts.webhook.ops", "url_credential") or (
                table == "alerts.webhook.chat" and name != "url_credential"
            )
            if f"{table}.{name}" not in SUBTABLES and not stands_elsewhere:
                yield f"{table}.{name}", key


KEYS = dict(keys())
LEAVES = [name for name in KEYS if name != "engine.crash_loop"]
# of each kind of key some, and those of the inline table
SAMPLE = [name for name in LEAVES if name.startswith(("engine.", "guard."))]
REQUIRED = [name for name in SAMPLE if KEYS[name].required]


def position(key: str, text: str = GOOD) -> int:
    """The line of a key in GOOD, found without the scanner under test."""
    table, name = key.rsplit(".", 1)
    if table == "engine.crash_loop":
        table, name = "engine", "crash_loop"
    lines = text.splitlines()
    start = lines.index(f"[{table}]")
    for index in range(start + 1, len(lines)):
        if re.match(rf"{name}\s*=", lines[index]):
            return index + 1
    raise AssertionError(key)


def changed(key: str, edit: Callable[[str], str]) -> str:
    """GOOD with `edit` applied to the `name = value` text of a key."""
    lines = GOOD.splitlines()
    index = position(key) - 1
    if key.startswith("engine.crash_loop."):
        name = key.rsplit(".", 1)[1]
        lines[index] = re.sub(rf"{name} = \d+", lambda found: edit(found[0]), lines[index])
    else:
        lines[index] = edit(lines[index])
    return "\n".join(lines) + "\n"


def with_value(key: str, value: str) -> str:
    return changed(key, lambda text: re.sub(r"=.*", lambda _: f"= {value}", text))


def refusal(tmp_path: Path, text: str) -> ConfigError:
    path = tmp_path / "engine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return caught.value


def assert_names(error: ConfigError, key: str, line: int) -> None:
    assert (key, line) in [(item.key, item.line) for item in error.problems], str(error)
    assert f":{line}: {key}: " in str(error)


def test_the_good_file_holds_every_key_there_is() -> None:
    for key in KEYS:
        assert position(key)


@pytest.mark.invariant("R19")
def test_legal_values_pass_and_paths_become_absolute(tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(GOOD)
    loaded = load(tmp_path / "engine.toml")
    assert loaded.config.engine.data_dir == str(tmp_path / "data")
    assert loaded.config.venue["sim"].tls_ca == str(tmp_path / "ca.pem")
    assert loaded.config.strategy["maker"].class_path == "engine.strategy.market_maker:MarketMaker"
    assert loaded.control_socket == tmp_path / "control.sock"
    assert resolved(loaded)["strategy"]["maker"]["class"] == "engine.strategy.market_maker:MarketMaker"


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("key", SAMPLE)
def test_a_misspelt_key_is_refused_with_its_line_and_the_right_spelling(tmp_path: Path, key: str) -> None:
    name = key.rsplit(".", 1)[1]
    wrong = name[:-1] + "x" + name[-1]
    error = refusal(tmp_path, changed(key, lambda text: text.replace(name, wrong, 1)))
    assert_names(error, key[: -len(name)] + wrong, position(key))
    told = next(item.text for item in error.problems if item.key.endswith(wrong))
    assert f'did you mean "{name}"' in told or name in told


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_refused_with_the_line_of_its_table(tmp_path: Path, key: str) -> None:
    if key.startswith("engine.crash_loop."):
        name = key.rsplit(".", 1)[1]
        other = "minutes = 10" if name == "count" else "count = 3"
        error = refusal(tmp_path, with_value("engine.crash_loop", f"{{ {other} }}"))
        line = position(key)
    else:
        error = refusal(tmp_path, changed(key, lambda _: ""))
        line = GOOD.splitlines().index(f"[{key.rsplit('.', 1)[0]}]") + 1
    assert_names(error, key, line)
    assert any("missing" in item.text and item.key == key for item in error.problems)


@pytest.mark.invariant("R19")
@pytest.mark.parametrize("key", SAMPLE)
def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path, key: str) -> None:
    if key.startswith("engine.crash_loop."):
        text = changed(key, lambda item: f"{item}, {item}")
        line = first = position(key)
    else:
        text = changed(key, lambda item: f"{item}\n{item}")
        first, line = position(key), position(key) + 1
    error = refusal(tmp_path, text)
    assert_names(error, key, line)
    assert f"line {first}" in str(error)


@pytest.mark.invariant("R19")
@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("engine.id", "0", ">= 1"),
        ("engine.id", "3844", "<= 3843"),
        ("engine.mode", '"production"', 'must be one of "live", "paper", "sim"'),
        ("engine.crash_loop", '"never"', '"off"'),
        ("journal.ledger_front_bytes", "65537", "power of two"),
        ("journal.segment_bytes", "65536", ""),
        ("venue.sim.rest_url", '"http://api.example.com"', "in the clear"),
        ("venue.sim.rest_url", '"https://api.example.com"', "only a venue on this host"),
        ("venue.sim.rest_url", '"https://user:pw@127.0.0.1"', "no user"),
        ("venue.sim.stream_url", '"http://127.0.0.1"', "begins with wss://"),
        ("venue.sim.stream_url", '"ws://127.0.0.1:99999"', "no URL"),
        ("venue.sim.symbols", '["BTCUSDT", "BTCUSDT", "ETHUSDT"]', "twice"),
        ("venue.sim.symbols", '["btcusdt"]', "capitals"),
        ("venue.sim.recv_window_ms", "60001", "<= 60000"),
        ("risk.clock_drift_ms_max", "1001", "<= 1000"),
        ("strategy.maker.symbols", '["BTCUSD"]', "did you mean BTCUSDT"),
        ("strategy.maker.class", '"engine.strategy"', "module:Class"),
        ("strategy.maker.params", "{ x = [nan] }", "finite"),
        ("desk.listen", '"9464"', "host:port"),
        ("desk.listen", '"127.0.0.1:99999"', "above 65535"),
        ("control.socket", f'"/{"x" * 120}"', "107"),
        ("engine.runtime_dir", '"data"', "must not be data_dir"),
        ("alerts.webhook.ops.url", '"http://alarms.example.com"', "in the clear"),
        ("alerts.webhook.ops.severity", '"loud"', 'must be one of "info", "warning", "critical"'),
        ("alerts.command.page.argv", '["page"]', "absolute path"),
        ("alerts.command.page.argv", "[]", "length >= 1"),
        ("alerts.interval_s", "5", "<= 4"),
    ],
)
def test_each_rule_of_a_value_is_told(tmp_path: Path, key: str, value: str, told: str) -> None:
    if key == "journal.segment_bytes":
        text = with_value("journal.tape_front_bytes", str(1 << 20)).replace(
            "segment_bytes = 1048576", "segment_bytes = 65536"
        )
    else:
        text = with_value(key, value)
    error = refusal(tmp_path, text)
    assert_names(error, key, position(key))
    assert told in str(error)


def test_a_dead_man_switch_is_refused_where_the_venue_has_none_and_the_guard_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace('"binance-usdm"', '"binance-spot"'))
    assert "venue.sim.deadman_ms" in [item.key for item in error.problems]
    assert "tradewind guard" in str(error)


def test_a_dead_man_switch_that_would_eat_the_rate_limit_is_refused_with_the_least_that_is_legal(
    tmp_path: Path,
) -> None:
    live = GOOD.replace('mode = "sim"', 'mode = "live"')
    error = refusal(tmp_path, live)
    assert_names(error, "venue.sim.deadman_ms", position("venue.sim.deadman_ms"))
    # two symbols, three feeds of 10 in 0.9 s; 30 % of 2400 a minute are 720
    assert "4000 of the venue's 2400" in str(error)
    assert "5000 is the least" in str(error)
    for legal in (live.replace("deadman_ms = 900", "deadman_ms = 5000"), GOOD):
        # what a simulated venue allows is asked at start
        (tmp_path / "engine.toml").write_text(legal)
        assert load(tmp_path / "engine.toml").config.venue["sim"].deadman_ms in (5000, 900)


def test_a_guards_key_type_without_a_key_of_its_own_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace('credential = "guard"\n', ""))
    assert_names(error, "guard.key_type", position("guard.key_type") - 1)


def test_a_unit_in_place_of_another_is_pointed_out(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace("stale_after_ms = 5000", "stale_after_s = 5"))
    assert_names(error, "risk.stale_after_s", position("risk.stale_after_ms"))
    assert 'did you mean "stale_after_ms"' in str(error)


def test_a_traded_symbol_without_limits_and_limits_without_a_symbol_are_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace("[risk.instrument.ETHUSDT]", "[risk.instrument.ETHUSD]"))
    keys_named = [item.key for item in error.problems]
    assert keys_named == ["risk.instrument.ETHUSDT", "risk.instrument.ETHUSD"]
    assert "did you mean ETHUSDT" in str(error)


def test_every_fault_of_a_file_is_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = GOOD.replace("id = 7", "id = 0").replace("message_burst = 40", "message_burst = true", 1)
    assert [item.key for item in refusal(tmp_path, text).problems] == ["engine.id", "risk.message_burst"]


def test_a_secret_in_the_configuration_is_refused_and_not_repeated(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace('credential = "sim"', 'credential = "sim"\napi_secret = "hunter2hunter2"'))
    assert "credential files" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[engine\n", 1),
        ("[engine]\nname = \n", 2),
        ("[engine]\nid = 1_\n", 2),
        ("a = 1\n[a]\n", 2),
        ("x = [1,\n2\n", 3),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert refusal(tmp_path, text).problems[0].line == line


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'[engine]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match=r"latin.toml:2: file: is not UTF-8"):
        load(tmp_path / "latin.toml")


def test_the_hash_follows_the_meaning_and_not_the_layout(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text("# a comment\n" + GOOD.replace("id = 7", "id    =    7"))
    (tmp_path / "c.toml").write_text(GOOD.replace("id = 7", "id = 8"))
    first, second, third = (load(tmp_path / name).sha256 for name in ("a.toml", "b.toml", "c.toml"))
    assert first == second != third


def test_no_risk_limit_has_a_default() -> None:
    """What an engine cannot be run without is written out; the rest is either written out or no limit at all."""
    required = {
        RiskSection: {"max_open_orders", "message_rate_per_s", "message_burst", "stale_after_ms", "clock_drift_ms_max"},
        InstrumentRisk: {"max_order_qty", "max_order_notional", "max_position", "price_collar_bps", "max_open_orders"},
    }
    for section, names in required.items():
        keys = keys_of(section)
        assert {name for name in names if keys[name].required} == names
    for section in (RiskSection, InstrumentRisk, AccountRisk, StrategyRisk):
        for item in msgspec.structs.fields(section):
            if item.name in LIMITS and not item.required:
                assert item.default in (None, False), item.name
    assert keys_of(EngineSection)["mode"].required
    assert keys_of(EngineSection)["crash_loop"].required
    assert keys_of(Config)["risk"].required


def test_every_key_says_what_it_means() -> None:
    assert all(key.meta.description for key in KEYS.values())


def test_crash_loop_is_turned_off_only_by_name(tmp_path: Path) -> None:
    (tmp_path / "engine.toml").write_text(with_value("engine.crash_loop", '"off"'))
    assert load(tmp_path / "engine.toml").config.engine.crash_loop == "off"


@pytest.mark.parametrize("name", ["demo.toml", "binance-spot.toml", "binance-usdm.toml"])
def test_the_shipped_configurations_are_accepted(name: str) -> None:
    assert load(Path(__file__).parents[2] / "config" / name).config.engine.mode in ("sim", "live")


def test_the_scanner_finds_keys_behind_strings_arrays_and_comments() -> None:
    values = 'a = """\nb = 1\n"""\n# c = 2\nd = [\n  "]", # e = 1\n  2,\n]\n'
    text = values + "[t.\"x.y\".z]\nf.g = { h = 1, i = [{j = 1}] }\nk = '''\n[no]'''\nl = 1\n"
    lines = scan(text).lines
    assert lines[("a",)] == 1
    assert lines[("d",)] == 5
    assert lines[("t", "x.y", "z")] == 9
    assert lines[("t", "x.y", "z", "f", "g", "i")] == 10
    assert lines[("t", "x.y", "z", "l")] == 13
    assert ("b",) not in lines
    assert not scan(text).duplicates


@given(st.text(alphabet="ab=[]{}.\"'\n#, 1\\", max_size=60))
def test_the_scanner_ends_on_any_text(text: str) -> None:
    found = scan(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.lines.values())


def test_a_futures_venue_says_leverage_margin_and_position_mode(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(GOOD)
    venue = load(tmp_path / "good.toml").config.venue["sim"]
    assert (venue.leverage, venue.margin_type, venue.position_mode) == (3, "isolated", "one-way")
    error = refusal(tmp_path, GOOD.replace("leverage = 3\n", ""))
    assert [item.key for item in error.problems] == ["venue.sim.leverage"]


def test_a_futures_account_is_netted_or_hedged(tmp_path: Path) -> None:
    path = tmp_path / "hedge.toml"
    path.write_text(GOOD.replace('"one-way"', '"hedge"'))
    (venue,) = load(path).config.venue.values()
    assert venue.position_mode == "hedge"
    error = refusal(tmp_path, GOOD.replace('"one-way"', '"both"'))
    assert "position_mode" in str(error)


def test_a_spot_venue_has_no_leverage(tmp_path: Path) -> None:
    error = refusal(tmp_path, GOOD.replace('"binance-usdm"', '"binance-spot"'))
    named = [item.key.rpartition(".")[2] for item in error.problems]
    assert named == ["deadman_ms", "leverage", "margin_type", "position_mode"]


@pytest.mark.invariant("R19")
@pytest.mark.parametrize(
    ("before", "after", "key", "told"),
    [
        ("[risk.account.1]", "[risk.account.2]", "risk.account.2", "there is no account of this name"),
        ("[risk.strategy.maker]", "[risk.strategy.makr]", "risk.strategy.makr", "did you mean maker"),
        ("executions_window_ms = 10000\n", "", "risk.max_executions", "needs executions_window_ms"),
        ("price_move_pause_ms = 120000\n", "", "risk.instrument.BTCUSDT.max_price_move_bps", "price_move_pause_ms"),
        ('capital_budget = "100000"\n', "", "risk.strategy.maker.max_drawdown_bps", "capital_budget"),
        ("[risk.modes.ELEVATED]", "[risk.modes.PANIC]", "risk.modes.PANIC", "unknown key"),
        (
            "[risk.measures]",
            "[risk.modes.HIGH]\nlimits_percent = 60\ndrawdown_bps = 200\n[risk.measures]",
            "risk.modes.HIGH.limits_percent",
            "milder",
        ),
        ("[risk.measures]", "[risk.modes.HIGH]\nlimits_percent = 10\n[risk.measures]", "risk.modes.HIGH", "threshold"),
    ],
)
def test_scopes_pairs_and_modes_that_cannot_work_are_refused(
    tmp_path: Path, before: str, after: str, key: str, told: str
) -> None:
    error = refusal(tmp_path, GOOD.replace(before, after, 1))
    assert key in [item.key for item in error.problems], str(error)
    assert told in str(error)


def test_paper_needs_no_key_and_everything_else_does(tmp_path: Path) -> None:
    text = (ROOT / "config" / "paper.toml").read_text()
    path = tmp_path / "engine.toml"
    path.write_text(text)
    (venue,) = load(path).config.venue.values()
    assert (venue.credential, venue.key_type) == ("", "none")
    path.write_text(text.replace('mode = "paper"', 'mode = "live"'))
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert {problem.key for problem in refused.value.problems} == {"venue.binance.credential", "venue.binance.key_type"}


def test_paper_refuses_a_guard_and_a_balance_that_is_no_amount(tmp_path: Path) -> None:
    text = (ROOT / "config" / "paper.toml").read_text()
    path = tmp_path / "engine.toml"
    path.write_text(text.replace('BTC = "1"', 'BTC = "-1"') + "\n[guard]\nheartbeat_ms_max = 500\n")
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert {problem.key for problem in refused.value.problems} == {"guard", "paper.balances.BTC"}
