"""One order of a list that is carried out here: its terms, its wait, and where it stands."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.execution.fired import Firing
from engine.execution.hold import Expiry, Hold
from engine.execution.parent import Parent, Port, is_reducing
from engine.model.codes import OrderType
from engine.model.instructions import TOUCHED_TYPES, OrderTerms


class Leg:
    """One order of the list. `is_dead`: it will not be sent (any more); `wanted`: its price was seen, or it rests by nature."""

    __slots__ = (
        "expiry",
        "firing",
        "gone_lots",
        "handle",
        "hold",
        "index",
        "is_dead",
        "is_sent",
        "is_wanted",
        "qty_lots",
        "sent_handle",
    )

    def __init__(self, parent: Parent, index: int, terms: OrderTerms, handle: int) -> None:
        self.firing = Firing(parent, index)
        self.index, self.handle = index, handle
        self.hold = Hold(terms)
        self.expiry = Expiry()
        self.qty_lots = terms.qty_lots
        self.is_wanted = not terms.is_conditional
        self.is_sent = self.is_dead = False
        # one that has fired may need several orders: the present one's handle (0: the leg's own), and what earlier ones filled
        self.sent_handle = self.gone_lots = 0

    @property
    def terms(self) -> OrderTerms:
        """The order as it is now."""
        return self.hold.terms

    @property
    def order_handle(self) -> int:
        """Of its order at the venue; the first one has the leg's own."""
        return self.sent_handle or self.handle

    @property
    def is_stop(self) -> bool:
        """A stop that closes, and has fired: resting orders make way for it, and it is tried again until nothing is left."""
        return self.hold.is_fired and is_reducing(self.terms.flags) and self.terms.order_type not in TOUCHED_TYPES

    @property
    def is_tried_again(self) -> bool:
        """A stop's next order, after one that was refused, has failed or was a part."""
        firing = self.firing
        return self.is_stop and bool(firing.failures or firing.is_crowded or firing.size.lots or self.gone_lots)

    @property
    def about_ticks(self) -> int:
        """About the price that it trades at."""
        return self.terms.price_ticks or self.hold.trigger_ticks

    def part_of(self, port: Port, lots: int) -> int:
        """What of so many lots may go out now, as large as one order can be; 0: it waits for room, and takes it."""
        side, plain = self.terms.side, self.hold.released(port, lots, 0)
        free = min(lots, port.closable_lots(side)) if self.firing.is_crowded else lots
        is_enough = free >= port.instrument().least_of(plain.order_type, self.about_ticks)
        if free < lots and (plain.order_type != OrderType.MARKET or not is_enough):
            free = 0
        if free < lots:
            port.make_room(side, lots - free)
        sizes = self.firing.pieces(free, plain.order_type, self.about_ticks, [])
        if not sizes:
            self.firing.wait_for_room()  # unless it waits already
        return sizes[0] if sizes else 0

    def saved(self) -> dict[str, Any]:
        """What a restart needs."""
        return {
            "handle": self.handle,
            "terms": self.hold.terms,
            "trigger_ticks": self.hold.trigger_ticks,
            "extreme": self.hold.extreme,
            "is_fired": self.hold.is_fired,
            "expire_ns": self.expiry.at_ns,
            "qty_lots": self.qty_lots,
            "is_wanted": self.is_wanted,
            "is_sent": self.is_sent,
            "is_dead": self.is_dead,
            "sent_handle": self.sent_handle,
            "gone_lots": self.gone_lots,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Where it stood."""
        self.handle = saved["handle"]
        self.hold = Hold(msgspec.convert(saved["terms"], OrderTerms))
        self.hold.trigger_ticks, self.hold.extreme = saved["trigger_ticks"], saved["extreme"]
        self.hold.is_fired, self.expiry.at_ns = saved["is_fired"], saved["expire_ns"]
        self.qty_lots, self.is_wanted = saved["qty_lots"], saved["is_wanted"]
        self.is_sent, self.is_dead = saved["is_sent"], saved["is_dead"]
        self.sent_handle, self.gone_lots = saved.get("sent_handle", 0), saved.get("gone_lots", 0)
