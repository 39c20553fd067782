"""A legal configuration that holds every key there is."""

GOOD = """\
[engine]
name = "test"
id = 7
mode = "sim"
data_dir = "data"
runtime_dir = "runtime"
wait = "block"
cpu = 1
strategy_turn_ms_max = 50
crash_loop = { count = 3, minutes = 10 }
session_end = "17:00"
stop_keeps_protection = false

[journal]
ledger_front_bytes = 65536
tape_front_bytes = 65536
segment_bytes = 1048576
sync_interval_ms = 10
durability = "group"
order_wait_ms_max = 500
audit_credential = "audit"
audit_sign_interval_s = 300
ledger_keep_days = 30
tape_keep_days = 2
state_hash_ticks = 20

[venue.sim]
kind = "binance-usdm"
rest_url = "http://127.0.0.1:1080"
stream_url = "ws://localhost:1081"
ws_api_url = "ws://127.0.0.1:1081/ws-api/v3"
tls_ca = "ca.pem"
credential = "sim"
key_type = "hmac"
recv_window_ms = 5000
order_timeout_ms = 2000
deadman_ms = 900
symbols = ["BTCUSDT", "ETHUSDT"]
instrument_refresh_s = 60
leverage = 3
margin_type = "isolated"
position_mode = "one-way"

[risk]
max_open_orders = 50
message_rate_per_s = 20
message_burst = 40
stale_after_ms = 5000
clock_drift_ms_max = 1000
max_order_notional = "60000"
max_position_notional = "70000"
max_gross_exposure = "200000"
max_net_exposure = "100000"
price_collar_bps = 300
price_collar_period_bps = 900
price_collar_period_ms = 60000
max_slippage_bps = 40
max_daily_loss = "1000"
max_drawdown = "2000"
max_loss_streak = 9
loss_cooldown_ms = 600000
max_executions = 500
executions_window_ms = 10000
duplicate_window_ms = 50
restricted = false
no_buy = false
no_sell = false
no_self_trade = true
no_short = false
max_positions = 5
max_drawdown_bps = 900
max_leverage = "3.5"

[risk.account.1]
max_order_notional = "60000"
max_position_notional = "70000"
max_gross_exposure = "200000"
max_net_exposure = "100000"
max_open_orders = 40
message_rate_per_s = 20
message_burst = 40
price_collar_bps = 300
price_collar_period_bps = 900
price_collar_period_ms = 60000
max_slippage_bps = 40
max_daily_loss = "1000"
max_drawdown = "2000"
max_loss_streak = 9
loss_cooldown_ms = 600000
max_executions = 500
executions_window_ms = 10000
duplicate_window_ms = 50
restricted = false
no_buy = false
no_sell = false
no_self_trade = true
no_short = true
max_positions = 5
max_drawdown_bps = 900
max_leverage = "3.5"

[risk.strategy.maker]
max_order_notional = "60000"
max_position_notional = "70000"
max_gross_exposure = "200000"
max_net_exposure = "100000"
max_open_orders = 40
message_rate_per_s = 20
message_burst = 40
price_collar_bps = 300
price_collar_period_bps = 900
price_collar_period_ms = 60000
max_slippage_bps = 40
max_daily_loss = "1000"
max_drawdown = "2000"
max_loss_streak = 9
loss_cooldown_ms = 600000
max_executions = 500
executions_window_ms = 10000
duplicate_window_ms = 50
restricted = false
no_buy = false
no_sell = false
no_self_trade = true
no_short = true
max_positions = 5
max_drawdown_bps = 900
capital_budget = "100000"

[risk.modes]
calm_s = 30

[risk.modes.ELEVATED]
drawdown = "500"
drawdown_bps = 100
window_loss = "300"
volatility_bps = 50
venue_health = "open"
limits_percent = 50
state = "reducing"
until_arm = false

[risk.measures]
day_start_utc = "17:00"
loss_window_s = 1800
volatility_halflife_s = 120

[portfolio]
currency = "USDT"
liquidation_near_bps = 500

[health]
failures = 5
window_ms = 30000
cooldown_ms = 10000
probes = 2
retries = 3
retry_first_ms = 200
retry_most_ms = 5000
deleverage_poll_s = 60
deleverage_alarm = 4

[risk.instrument.BTCUSDT]
max_order_qty = "0.5"
max_order_notional = "50000"
max_position = "1"
price_collar_bps = 200
max_open_orders = 20
max_position_notional = "70000"
max_gross_exposure = "200000"
max_net_exposure = "100000"
message_rate_per_s = 20
message_burst = 40
price_collar_period_bps = 900
price_collar_period_ms = 60000
max_slippage_bps = 40
max_daily_loss = "1000"
max_drawdown = "2000"
max_loss_streak = 9
loss_cooldown_ms = 600000
max_executions = 500
executions_window_ms = 10000
duplicate_window_ms = 50
restricted = false
no_buy = false
no_sell = false
no_self_trade = true
no_short = true
max_price_move_bps = 500
price_move_window_ms = 60000
price_move_pause_ms = 120000

[risk.instrument.ETHUSDT]
max_order_qty = "5"
max_order_notional = "50000.00000001"
max_position = "10"
price_collar_bps = 200
max_open_orders = 20

[strategy.maker]
class = "engine.strategy.market_maker:MarketMaker"
symbols = ["BTCUSDT"]
subscriptions = ["mark_price", "kline_1m"]
params = { levels = 2 }

[control]
socket = "control.sock"
operators = [1001]
second_person = ["limits", "arm"]
second_person_expiry_s = 900

[desk]
listen = "127.0.0.1:9464"
snapshot_records = 200000
snapshot_minutes = 10

[guard]
heartbeat_ms_max = 500
credential = "guard"
key_type = "ed25519"
keep_alive_s = 5

[alerts]
repeat_s = 120
burst = 5
interval_s = 3
lost_after_s = 20
notifier_heartbeat_s_max = 10
engine_heartbeat_ms_max = 1500
disk_free_mb_min = 500

[alerts.webhook.ops]
url = "http://127.0.0.1:1090/alarms"
credential = "ops"
tls_ca = "ca.pem"
severity = "info"
when = "always"
timeout_ms = 2000

[alerts.webhook.chat]
url_credential = "chat"

[alerts.command.page]
argv = ["/usr/bin/true", "ops"]
severity = "critical"
when = "repeats"
timeout_ms = 9000

[reconcile]
cancel_on_start = true
interval_s = 30

[runaway]
orders_per_input_max = 50
rejections_per_10s_max = 60
executions_per_10s_max = 70

[recorder]
database = "postgresql://tradewind@127.0.0.1/desk"
credential = "recorder"
batch_records = 5000
keep_days = { intents = 30, orders = 365 }

[paper]
balances = { USDT = "100000" }
maker_bps = 10
taker_bps = 20
to_venue_us = 2000
from_venue_us = 2000
jitter_us = 1000
fills = "touch"
"""
