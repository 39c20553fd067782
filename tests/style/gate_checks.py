"""Every check that the gate is asked for: its reasons, the tests of its edges, and the patches that take it away.

A row's tests stand at L - 1, L and L + 1 where the check compares a number, and on both sides of it where it does not. Each of a
row's patches is killed by a test of the row (`make mutants`). Tests are named from tests/, patches from tests/mutants.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.model.codes import Reason


class Row(NamedTuple):
    """One check."""

    reasons: tuple[Reason, ...]
    tests: tuple[str, ...]
    mutants: tuple[str, ...]


def named(file: str, *tests: str) -> tuple[str, ...]:
    """Tests of one file of tests/unit."""
    return tuple(f"unit/{file}.py::{test}" for test in tests)


BOUNDARIES = "test_gate_boundaries"
NUMBER = named(BOUNDARIES, "test_a_number_is_compared_to_the_last_unit")
REACHED = named("test_gate_exposure", "test_position_and_working_orders_and_the_order_reach_the_limit_and_no_further")
LOSS = named("test_gate_scopes", "test_a_loss_passes_at_the_limit_and_refuses_one_unit_beyond")
WAIT = named("test_gate_scopes", "test_a_wait_ends_on_its_nanosecond")

TWIN = ("property/test_gate_equals_its_slow_twin.py::test_with_everything_switched_on_the_gate_decides_as_its_twin",)

# the words are the issue's
CHECKS: dict[str, Row] = {
    "instrument status": Row(
        (Reason.INSTRUMENT_NOT_TRADING, Reason.UNKNOWN_INSTRUMENT, Reason.NOT_ARMED),
        NUMBER
        + named(
            "test_risk_gate",
            "test_an_unknown_or_closed_instrument_is_refused",
            "test_an_instrument_without_limits_refuses_everything",
        ),
        ("gate-instrument-status", "gate-unknown-instrument", "gate-not-armed"),
    ),
    "trading state ACTIVE / REDUCING / HALTED": Row(
        (Reason.HALTED, Reason.REDUCING_ONLY, Reason.RISK_MODE, Reason.VENUE_UNHEALTHY),
        NUMBER
        + named(
            "test_risk_gate", "test_halted_refuses_all_but_cancels", "test_reducing_lets_only_reducing_orders_through"
        )
        + named(
            "test_gate_scopes",
            "test_a_halted_scope_refuses_with_its_reason_also_what_reduces",
            "test_a_reducing_scope_lets_pass_what_closes_and_not_one_lot_more",
        ),
        ("gate-halted", "gate-reducing-state", "gate-scope-halted", "gate-scope-reducing"),
    ),
    "kill": Row(
        (Reason.HALTED,),
        named("test_risk_gate", "test_kill_and_stopping_refuse_new_orders")
        + named("test_lines_routing", "test_a_kill_of_a_line_refuses_at_once")
        + named(
            "test_panic_orders", "test_a_panic_order_never_turns_the_position", "test_a_strategy_has_no_panic_orders"
        ),
        ("gate-kill", "gate-kill-line", "gate-panic-reduces", "gate-panic-operator", "gate-stopping"),
    ),
    "data staleness": Row(
        (Reason.STALE, Reason.BOOK_INVALID),
        named(
            BOUNDARIES,
            "test_data_may_be_so_old_and_not_a_nanosecond_more",
            "test_only_the_valid_book_lets_an_order_pass",
        )
        + named(
            "test_risk_gate", "test_only_a_valid_book_is_traded_on", "test_stale_data_is_refused_from_the_threshold_on"
        ),
        ("gate-stale", "gate-book-valid"),
    ),
    "tick": Row(
        (Reason.PRICE_NOT_POSITIVE, Reason.PRICE_STEP, Reason.PRICE_COLLAR),
        NUMBER
        + named("test_gate_prices", "test_prices_and_quantities_on_the_venues_coarser_steps")
        + named(
            "test_gate_conditional",
            "test_how_far_the_trigger_lies_off_is_not_collared_but_the_limit_beyond_it_is",
        ),
        ("gate-price-positive", "gate-limit-positive", "gate-price-step", "gate-price-lowest", "gate-price-highest"),
    ),
    "lot, min/max quantity": Row(
        (Reason.QTY_NOT_POSITIVE, Reason.QTY_BELOW_MIN, Reason.QTY_ABOVE_MAX, Reason.QTY_STEP),
        NUMBER
        + named(
            "test_gate_prices",
            "test_prices_and_quantities_on_the_venues_coarser_steps",
            "test_market_orders_have_rules_of_their_own",
        ),
        (
            "gate-qty-positive",
            "gate-qty-min",
            "gate-qty-max",
            "gate-qty-step",
            "gate-market-size",
            "gate-market-qty-min",
        ),
    ),
    "min/max notional": Row(
        (Reason.NOTIONAL_BELOW_MIN, Reason.NOTIONAL_ABOVE_MAX),
        NUMBER + named("test_risk_gate", "test_a_notional_beyond_64_bits_is_refused_even_without_a_limit_below_it"),
        ("gate-notional-min", "gate-notional-max", "gate-notional-overflow"),
    ),
    "max order quantity and notional": Row(
        (Reason.QTY_ABOVE_MAX, Reason.NOTIONAL_ABOVE_MAX),
        NUMBER
        + named("test_risk_gate", "test_quantity_edges", "test_notional_edges")
        + named("test_gate_exposure", "test_the_value_of_one_order")
        + named("test_gate_contracts", "test_a_contract_reaches_every_limit_of_money_at_its_own_value"),
        (
            "gate-order-qty",
            "gate-notional",
            "gate-order-notional-scope",
            "gate-notional-inverse",
            "instrument-lot-value",
        ),
    ),
    "price collar per order": Row(
        (Reason.PRICE_COLLAR,),
        NUMBER
        + named("test_risk_gate", "test_price_edges_against_the_collar")
        + named(
            "test_gate_prices",
            "test_the_tightest_collar_of_all_scopes_holds",
            "test_a_market_order_larger_than_ten_levels_is_refused",
        )
        + named(
            "test_gate_conditional", "test_how_far_the_trigger_lies_off_is_not_collared_but_the_limit_beyond_it_is"
        ),
        ("gate-collar", "gate-depth", "gate-limit-of-trigger"),
    ),
    "price collar per period": Row(
        (Reason.COLLAR_PERIOD,),
        named(
            "test_gate_prices",
            "test_an_order_is_held_to_the_reference_of_one_period_ago",
            "test_the_reference_moves_on_with_the_period",
        ),
        ("gate-collar-period", "gate-collar-period-ago"),
    ),
    "slippage bound for market orders": Row(
        (Reason.SLIPPAGE,),
        named("test_gate_prices", "test_what_a_market_order_pays_on_average_lies_within_the_bound"),
        ("gate-slippage",),
    ),
    "position per symbol with working, in-flight and UNKNOWN orders": Row(
        (Reason.POSITION_LIMIT, Reason.POSITION_NOTIONAL, Reason.NOT_VALUED),
        NUMBER
        + TWIN
        + REACHED
        + named(
            "test_risk_gate",
            "test_the_position_limit_counts_position_and_what_works_on_the_side",
            "test_an_unknown_order_counts_in_full",
        )
        + named("test_oms", "test_an_ambiguous_answer_makes_the_order_unknown_at_full_size")
        + named(
            "test_gate_exposure",
            "test_exposure_counts_in_flight_open_and_unknown_orders_and_moves_with_every_fill",
            "test_what_works_is_valued_anew_when_the_price_moves",
            "test_without_a_rate_nothing_is_within_a_limit_of_money_but_what_reduces",
            "test_a_value_that_does_not_fit_is_within_no_limit",
        ),
        (
            *("gate-position", "gate-position-working", "gate-position-notional", "oms-unknown-full-size"),
            *("gate-exposure-working", "gate-exposure-working-moved", "gate-not-valued", "gate-worth-overflow"),
        ),
    ),
    "gross and net exposure": Row(
        (Reason.GROSS_EXPOSURE, Reason.NET_EXPOSURE),
        REACHED
        + named("test_gate_exposure", "test_gross_adds_a_hedged_accounts_sides_and_net_sets_them_off")
        + named("test_gate_exposure", "test_exposure_follows_the_price_and_the_order_pays_only_for_itself")
        + named("test_gate_exposure", "test_a_gross_exposure_that_left_what_is_counted_is_within_no_limit")
        + named("test_gate_contracts", "test_a_contract_reaches_every_limit_of_money_at_its_own_value"),
        ("gate-gross", "gate-gross-wrapped", "gate-net", "gate-exposure-price", "instrument-lot-value"),
    ),
    "leverage": Row(
        (Reason.LEVERAGE,),
        REACHED + named("test_gate_exposure", "test_leverage_without_equity_is_refused"),
        ("gate-leverage", "gate-leverage-equity"),
    ),
    "concurrent positions": Row(
        (Reason.POSITIONS_LIMIT,), named("test_gate_exposure", "test_so_many_positions_at_once"), ("gate-positions",)
    ),
    "open orders per symbol, strategy and account": Row(
        (Reason.OPEN_ORDERS_LIMIT, Reason.ORDER_POOL_FULL),
        named(
            BOUNDARIES,
            "test_so_many_orders_are_open_in_a_symbol_and_in_the_engine",
            "test_there_is_room_for_so_many_orders",
        )
        + named("test_risk_gate", "test_open_orders_are_limited_per_symbol_and_for_the_engine")
        + named("test_gate_exposure", "test_so_many_open_orders"),
        ("gate-open-orders", "gate-open-orders-symbol", "gate-open-orders-engine", "gate-order-pool"),
    ),
    "balance": Row(
        (Reason.INSUFFICIENT_BALANCE,),
        NUMBER
        + named("test_risk_gate", "test_spot_balances_cover_what_is_promised")
        + (
            "property/test_gate_arithmetic_is_exact.py::"
            "test_a_sale_of_more_than_64_bits_hold_is_not_covered_by_all_that_they_hold",
        ),
        ("gate-balance", "gate-balance-range"),
    ),
    "margin": Row(
        (Reason.MARGIN,),
        named(
            "test_gate_margin",
            "test_the_initial_margin_of_what_is_opened_is_available",
            "test_position_and_orders_stay_within_the_tier_of_the_leverage",
            "test_an_order_away_from_the_market_has_the_margin_of_the_dearer_price",
            "test_two_orders_that_wait_together_cannot_both_have_the_same_margin",
        ),
        ("gate-margin", "gate-margin-cap", "gate-margin-price", "gate-margin-promised"),
    ),
    "message rates": Row(
        (Reason.MESSAGE_RATE,),
        named("test_risk_gate", "test_the_message_rate_is_a_token_bucket_and_cancels_take_no_token")
        + named("test_gate_conduct", "test_every_scope_has_a_token_bucket_and_what_is_refused_takes_no_token")
        + named("test_gate_amends", "test_amends_take_message_tokens_and_refused_ones_none"),
        ("gate-rate", "gate-rate-scope", "gate-amend-rate"),
    ),
    "duplicates": Row(
        (Reason.DUPLICATE,),
        named("test_risk_gate", "test_a_handle_is_approved_once")
        + named("test_gate_conduct", "test_the_same_order_again_within_the_window_is_a_duplicate"),
        ("gate-duplicate", "gate-same-again", "gate-same-again-window"),
    ),
    "self-trade": Row(
        (Reason.SELF_TRADE,),
        named(
            "test_gate_conduct",
            "test_an_order_that_would_meet_an_own_resting_one_is_refused_from_its_price_on",
            "test_the_best_own_order_is_known_whatever_has_come_and_gone",
        ),
        ("gate-self-trade", "gate-self-trade-best"),
    ),
    "repeated-execution throttle": Row(
        (Reason.REPEATED_EXECUTION,),
        named("test_gate_scopes", "test_after_so_many_executions_not_one_order_more_leaves_until_armed"),
        ("gate-repeated-execution", "gate-repeated-execution-count"),
    ),
    "reduce-only truth": Row(
        (Reason.REDUCING_ONLY, Reason.POSITION_SIDE),
        NUMBER
        + named("test_risk_gate", "test_reduce_only_never_turns_the_position")
        + named(
            "test_gate_conduct",
            "test_no_more_of_a_side_is_closed_than_is_open",
            "test_an_account_is_netted_or_hedged_and_orders_say_the_same",
            "test_an_order_of_one_side_of_a_position_does_not_replace_one_of_the_other",
        )
        + named(
            "test_gate_scopes",
            "test_a_futures_fired_stop_counts_against_the_position_alone",
            "test_on_spot_a_fired_stop_counts_beside_all_that_works",
        ),
        (
            "gate-reduce-only",
            "gate-hedge-closing",
            "gate-position-side",
            "gate-replace-side",
            "gate-cut-spot",
            "gate-cut-children",
        ),
    ),
    "daily loss": Row((Reason.DAILY_LOSS,), LOSS, ("gate-daily-loss",)),
    "drawdown from peak": Row((Reason.DRAWDOWN,), LOSS, ("gate-drawdown", "gate-drawdown-bps")),
    "loss streak cool-down": Row((Reason.LOSS_STREAK,), WAIT, ("gate-loss-streak",)),
    "price-move circuit breaker": Row((Reason.PRICE_MOVE,), WAIT, ("gate-price-move",)),
    "per-strategy capital budget": Row((Reason.CAPITAL_BUDGET,), REACHED, ("gate-budget",)),
    "permissions: restricted list, side": Row(
        (Reason.RESTRICTED,),
        named(
            "test_gate_conduct", "test_a_side_that_is_taken_away", "test_on_the_restricted_list_only_what_closes_passes"
        ),
        ("gate-no-side", "gate-restricted"),
    ),
    "permissions: short ban": Row(
        (Reason.SHORT_BANNED,),
        named("test_gate_conduct", "test_a_short_ban_lets_a_position_be_sold_and_no_more"),
        ("gate-short",),
    ),
    # what the issue does not name, and the gate asks
    "strategy": Row(
        (Reason.STRATEGY_DISABLED, Reason.STRATEGY_PAUSED),
        NUMBER
        + named("test_risk_gate", "test_a_disabled_or_paused_strategy_is_refused_and_an_operator_is_not")
        + named("test_gate_scopes", "test_what_protects_a_position_outlives_its_strategys_leave_but_not_a_kill"),
        ("gate-strategy-disabled", "gate-strategy-paused", "gate-strategy-halts"),
    ),
    "replaced orders": Row(
        (Reason.UNKNOWN_ORDER, Reason.ORDER_NOT_OPEN),
        named(BOUNDARIES, "test_a_replace_is_of_an_open_order_of_ones_own"),
        ("gate-replace-owner", "gate-replace-open"),
    ),
    "room at the venue": Row(
        (Reason.VENUE_ORDERS, Reason.VENUE_CONDITIONAL_ORDERS, Reason.VENUE_ICEBERG_ORDERS, Reason.VENUE_ORDER_LISTS),
        named(
            "test_gate_venue_room",
            "test_as_many_as_the_venue_takes_and_no_more",
            "test_each_symbol_has_its_own_places_and_the_account_has_places_for_all",
            "test_a_list_takes_one_place_with_all_its_legs_and_keeps_it_until_the_last_has_ended",
        ),
        (
            "gate-venue-orders",
            "gate-venue-conditional",
            "gate-venue-conditional-account",
            "gate-venue-icebergs",
            "gate-venue-lists",
            "gate-venue-list-legs",
        ),
    ),
    "one order that closes the position": Row(
        (Reason.CLOSE_POSITION_TWICE,),
        named("test_gate_venue_room", "test_one_order_of_a_type_and_side_at_most_closes_the_whole_position"),
        ("gate-close-twice",),
    ),
    "order types and lists": Row(
        (Reason.UNSUPPORTED,),
        named(BOUNDARIES, "test_what_the_venue_does_not_carry_out_is_not_sent")
        + named("test_gate_conditional", "test_a_leg_that_is_not_one_with_its_list_is_refused"),
        ("gate-unsupported", "gate-list-one"),
    ),
    "post-only": Row((Reason.WOULD_CROSS,), NUMBER, ("gate-would-cross",)),
    "triggers": Row(
        (Reason.TRIGGER_PRICE, Reason.TRIGGERED_AT_ONCE),
        named(
            "test_gate_conditional",
            "test_a_trigger_is_a_price_within_the_venues_range",
            "test_a_trigger_is_a_price_where_the_venue_names_no_least_one",
            "test_a_trigger_lies_on_the_far_side_of_the_market_by_at_least_one_tick",
            "test_a_trailing_stop_has_a_distance_and_a_price_to_be_valued_at",
        ),
        ("gate-trigger", "gate-triggered-at-once"),
    ),
    "shown quantity": Row(
        (Reason.DISPLAY_QTY,),
        named("test_gate_conditional", "test_an_iceberg_shows_more_than_nothing_and_less_than_all"),
        ("gate-display",),
    ),
    "end of an order": Row(
        (Reason.EXPIRE_TIME,),
        named("test_gate_conditional", "test_an_order_that_ends_at_a_time_ends_in_the_future"),
        ("gate-expire",),
    ),
    "room": Row(
        (Reason.RING_FULL, Reason.JOURNAL_FULL),
        named("test_ring_overflow_rules", "test_approvals_full_refuses_orders_and_lets_cancels_wait")
        + named("test_risk_gate", "test_a_nearly_full_journal_refuses_new_orders_but_not_cancels"),
        ("gate-ring-full", "gate-journal-nearly-full"),
    ),
}
