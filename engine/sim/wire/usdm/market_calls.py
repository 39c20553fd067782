"""USD-M market data endpoints: ``/fapi`` and the statistics of ``/futures/data``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from engine.sim.usdm.api import RatioKind
from engine.sim.wire import errors
from engine.sim.wire.calls import Call, Handler, array
from engine.sim.wire.params import Params
from engine.sim.wire.usdm import data_json, market_json
from engine.sim.wire.usdm.digits import e8
from engine.sim.wire.usdm.errors import bad_value
from engine.sim.wire.usdm.reading import optional_symbol, side_of, symbol, window_ns, word
from engine.sim.wire.usdm.stream_names import INTERVALS

HOUR_NS = 3_600 * 1_000_000_000
DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}
KLINE_WEIGHTS = ((99, 1), (499, 2), (1_000, 5), (1_500, 10))
FUNDING_HOURS_USUAL = 8
FUNDING_CAP_USUAL_E8 = 2_000_000


def ping(_call: Call) -> bytes:
    """An empty object."""
    return b"{}"


def server_time(call: Call) -> bytes:
    """The venue's clock."""
    return b'{"serverTime":%d}' % (call.shell.server_us(call.now_ns) // 1_000)


def exchange_info(call: Call) -> bytes:
    """Limits, margin assets, and every contract with its filters."""
    side = side_of(call)
    assets = sorted({rules.margin_asset for rules in side.rules.values()})
    info = {
        "timezone": "UTC",
        "serverTime": call.shell.server_us(call.now_ns) // 1_000,
        "futuresType": "U_MARGINED",
        "rateLimits": side.limits.describe(),
        "exchangeFilters": [],
        "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets],
        "symbols": [data_json.symbol_object(rules) for rules in side.core.exchange_info()],
    }
    return msgspec.json.encode(info)


def depth_weight(params: Params) -> int:
    """2, 5, 10 or 20 by the number of levels."""
    text = params.values.get("limit", "500")
    return DEPTH_WEIGHTS.get(int(text), 10) if text.isdigit() else 10


def depth(call: Call) -> bytes:
    """A snapshot; only the documented numbers of levels."""
    name, levels = symbol(call), call.params.integer("limit") or 500
    if levels not in DEPTH_WEIGHTS:
        raise bad_value("limit")
    return _depth(call, name, levels)


def rpi_depth(call: Call) -> bytes:
    """The book with retail price improvement orders, of which there are none here."""
    name, levels = symbol(call), call.params.integer("limit") or 1_000
    if levels != 1_000:
        raise bad_value("limit")
    return _depth(call, name, levels)


def _depth(call: Call, name: str, levels: int) -> bytes:
    side = side_of(call)
    changed_ns = side.publisher.changed_ns(name)
    return market_json.depth(side.core.depth(name, levels), side.digits[name], call.now_ns, changed_ns)


def trades(call: Call) -> bytes:
    """The newest trades."""
    name, limit = symbol(call), call.params.limit(500, 1_000)
    side = side_of(call)
    return array([market_json.trade_row(row, side.digits[name]) for row in side.core.recent_trades(name, limit)])


def historical_trades(call: Call) -> bytes:
    """Trades from ``fromId`` up, or the newest."""
    name, limit, from_id = symbol(call), call.params.limit(100, 500), call.params.integer("fromId")
    side = side_of(call)
    rows = side.core.recent_trades(name, limit, from_id)
    return array([market_json.trade_row(row, side.digits[name]) for row in rows])


def agg_trades(call: Call) -> bytes:
    """Aggregate trades by id or time; a window of less than an hour."""
    name, limit, from_id = symbol(call), call.params.limit(500, 1_000), call.params.integer("fromId")
    start_ns, end_ns = window_ns(call)
    if start_ns is not None and end_ns is not None and end_ns - start_ns >= HOUR_NS + 1_000_000:
        raise errors.ApiError(-1127, "More than 1 hours between startTime and endTime.")
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    side = side_of(call)
    rows = side.core.agg_trades(name, from_id=from_id, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([market_json.agg_trade_row(row, side.digits[name]) for row in rows])


def kline_weight(params: Params) -> int:
    """1, 2, 5 or 10 by the number of candles."""
    text = params.values.get("limit", "500")
    limit = int(text) if text.isdigit() else 500
    return next((weight for most, weight in KLINE_WEIGHTS if limit <= most), KLINE_WEIGHTS[-1][1])


def klines_of(price: str, named_by: str = "symbol") -> Handler:
    """An endpoint of candles: of trades (CONTRACT), MARK, INDEX or PREMIUM, asked for by symbol or pair."""

    def klines(call: Call) -> bytes:
        name, interval = symbol(call, named_by), call.params.text("interval")
        if interval not in INTERVALS:
            raise errors.ApiError(-1120, "Invalid interval.")
        side, (start_ns, end_ns) = side_of(call), window_ns(call)
        limit = call.params.limit(500, 1_500)
        rows = side.core.klines(name, interval, call.now_ns, start_ns=start_ns, end_ns=end_ns, limit=limit, price=price)
        if price == "CONTRACT":
            return array([market_json.kline_row(row, side.digits[name]) for row in rows])
        return array([market_json.price_kline_row(row) for row in rows])

    return klines


def continuous_klines(call: Call) -> bytes:
    """Candles of a pair's perpetual contract."""
    word(call.params, "contractType", ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER", "TRADIFI_PERPETUAL"))
    if call.params.text("contractType") != "PERPETUAL":
        symbol(call, "pair")
        return b"[]"
    return klines_of("CONTRACT", "pair")(call)


def _one_or_all(call: Call, row: Callable[[str], str]) -> bytes:
    """An object for one symbol, an array without."""
    name = optional_symbol(call)
    if name is not None:
        return row(name).encode()
    return array([row(each) for each in side_of(call).core.symbols()])


def premium_index(call: Call) -> bytes:
    """Mark price, index price and funding."""
    core = side_of(call).core
    return _one_or_all(call, lambda name: data_json.premium_row(core.premium_index(name)))


def ticker_24h(call: Call) -> bytes:
    """Statistics of the last 24 hours."""
    side = side_of(call)
    return _one_or_all(
        call, lambda name: market_json.ticker_row(side.core.ticker_24h(name, call.now_ns), side.digits[name])
    )


def ticker_price(call: Call) -> bytes:
    """Last prices."""
    side = side_of(call)
    return _one_or_all(
        call,
        lambda name: market_json.price_row(
            name, side.core.last_price(name)[0], side.digits[name], side.core.last_price(name)[1]
        ),
    )


def ticker_book(call: Call) -> bytes:
    """Best prices and quantities."""
    side, is_strict = side_of(call), side_of(call).wire.strict_2026_07
    return _one_or_all(
        call,
        lambda name: market_json.book_ticker_row(
            side.core.book_ticker(name), side.digits[name], side.publisher.changed_ns(name), is_strict
        ),
    )


def funding_rate(call: Call) -> bytes:
    """Settled funding rates, ascending."""
    name, (start_ns, end_ns) = optional_symbol(call), window_ns(call)
    limit = call.params.limit(100, 1_000)
    rows = side_of(call).core.funding_history(name, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([data_json.funding_row(row) for row in rows])


def funding_info(call: Call) -> bytes:
    """Only contracts whose funding differs from the usual."""
    rows = side_of(call).core.exchange_info()
    return array(
        [
            data_json.funding_info_row(row)
            for row in rows
            if row.funding_interval_hours != FUNDING_HOURS_USUAL or row.funding_rate_cap_e8 != FUNDING_CAP_USUAL_E8
        ]
    )


def open_interest(call: Call) -> bytes:
    """Open contracts now."""
    name, side = symbol(call), side_of(call)
    return data_json.open_interest(side.core.open_interest(name), side.digits[name])


def asset_index(call: Call) -> bytes:
    """The index of the margin asset; an object for one ``symbol``."""
    assets = sorted({rules.margin_asset for rules in side_of(call).rules.values()})
    asked = call.params.optional("symbol")
    if asked is None:
        return array([data_json.asset_index(asset, call.now_ns) for asset in assets])
    if asked.removesuffix("USD") not in assets:
        raise errors.ApiError(-1121, "Invalid symbol.")
    return data_json.asset_index(asked.removesuffix("USD"), call.now_ns).encode()


def index_info(_call: Call) -> bytes:
    """Composite indices: the venue lists none."""
    return b"[]"


def constituents(call: Call) -> bytes:
    """What an index price is made of: here the venue's own spot-like reference alone."""
    name = symbol(call)
    price = e8(side_of(call).core.premium_index(name).index_price_e8)
    row = {"exchange": "tradewind", "symbol": name, "price": price, "weight": "1.00000000"}
    return msgspec.json.encode({"symbol": name, "time": call.now_ns // 1_000_000, "constituents": [row]})


def insurance_balance(call: Call) -> bytes:
    """The insurance fund; an object for one ``symbol``, else an array of the one group that shares it."""
    optional_symbol(call)
    side = side_of(call)
    balance = e8(side.core.insurance_balance())
    asset = {"asset": "USDT", "marginBalance": balance, "updateTime": call.now_ns // 1_000_000}
    group = {"symbols": list(side.core.symbols()), "assets": [asset]}
    return msgspec.json.encode(group if call.params.optional("symbol") else [group])


def adl_risk(call: Call) -> bytes:
    """symbolAdlRisk: high when no insurance fund is left, else low."""
    risk = "low" if side_of(call).core.insurance_balance() > 0 else "high"
    stamp = call.now_ns // 1_000_000
    return _one_or_all(call, lambda name: f'{{"symbol":"{name}","adlRisk":"{risk}","updateTime":{stamp}}}')


# --- /futures/data -------------------------------------------------------------------------------------------------


def open_interest_history(call: Call) -> bytes:
    """openInterestHist."""
    name, period = symbol(call), call.params.text("period")
    start_ns, end_ns = window_ns(call, 30)
    limit = call.params.limit(30, 500)
    rows = side_of(call).core.open_interest_history(name, period, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([data_json.open_interest_row(row) for row in rows])


def ratios_of(kind: RatioKind) -> Handler:
    """One of the three long/short ratios."""

    def ratios(call: Call) -> bytes:
        name, period = symbol(call), call.params.text("period")
        start_ns, end_ns = window_ns(call, 30)
        limit = call.params.limit(30, 500)
        rows = side_of(call).core.long_short_history(name, kind, period, start_ns=start_ns, end_ns=end_ns, limit=limit)
        return array([data_json.ratio_row(row) for row in rows])

    return ratios


def taker_volume(call: Call) -> bytes:
    """takerlongshortRatio."""
    name, period = symbol(call), call.params.text("period")
    start_ns, end_ns = window_ns(call, 30)
    limit = call.params.limit(30, 500)
    rows = side_of(call).core.taker_volume_history(name, period, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([data_json.taker_row(row) for row in rows])


def basis(call: Call) -> bytes:
    """Futures less index price."""
    name, period = symbol(call, "pair"), call.params.text("period")
    word(call.params, "contractType", ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER"))
    start_ns, end_ns = window_ns(call, 30)
    limit, side = call.params.limit(30, 500), side_of(call)
    if call.params.text("contractType") != "PERPETUAL":
        return b"[]"
    rows = side.core.basis_history(name, period, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return array([data_json.basis_row(row, side.digits[name]) for row in rows])


def delivery_price(call: Call) -> bytes:
    """Past deliveries: perpetual contracts have none."""
    symbol(call, "pair")
    return b"[]"


def joined(rows: Iterable[bytes]) -> bytes:
    """A JSON array of ready objects."""
    return b"[" + b",".join(rows) + b"]"
