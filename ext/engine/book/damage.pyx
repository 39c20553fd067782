"""Break a book on purpose, and mend it: what shows that `L2Book.check` sees each fault."""
from libc.stdint cimport int64_t, uint64_t
from engine.book.ladder cimport LadderSide, PageSlot
from engine.book.l2 cimport L2Book, OwnLevels

KINDS = (
    "best", "count", "branch", "twig", "root", "lost level", "lost quantity", "ghost quantity", "negative quantity", "lost page",
    "kept page", "own order", "own quantity",
)


cdef class Damage:
    """Wounds of one side, which holds its best level and not the tick above it in a page, and two own levels at least. A damaged
    book must be mended (`undo`) before anything but `check` is done with it."""

    def __init__(self, L2Book book not None, int side):
        if (side | 1) != 1 or book.book.sides[side].best_index < 0 or book.book.own[side].count < 2:
            raise ValueError("a side with levels and two own levels")
        self.book = book
        self.side = side
        self.ladder = book.book.sides[side]
        self.slot = self.ladder.slots[self.ladder.best_index >> 6]
        self.page = self.slot.page[0]
        self.branch = self.ladder.branches[self.ladder.best_index >> 12]
        self.own = book.book.own[side].levels[0]

    def do(self, str kind not None) -> None:
        """Change one word, as `kind` of KINDS says."""
        cdef LadderSide* ladder = &self.book.book.sides[self.side]
        cdef int64_t best = ladder.best_index, page = best >> 6
        cdef PageSlot* slot = &ladder.slots[page]
        if kind == "best":
            ladder.best_index += 1
        elif kind == "count":
            ladder.level_count += 1
        elif kind == "branch":
            ladder.branches[page >> 6] ^= (<uint64_t> 1) << (page & 63)
        elif kind == "twig":
            ladder.twigs[page >> 12] ^= (<uint64_t> 1) << ((page >> 6) & 63)
        elif kind == "root":
            ladder.root ^= (<uint64_t> 1) << (page >> 12)
        elif kind == "lost level":
            slot.occupied ^= (<uint64_t> 1) << (best & 63)
        elif kind == "lost page":
            slot.page = NULL
        elif kind == "kept page":
            slot.occupied = 0
        else:
            self.damage_quantity(kind, slot, best)

    cdef int damage_quantity(self, str kind, PageSlot* slot, int64_t best) except -1:
        cdef OwnLevels* own = &self.book.book.own[self.side]
        if kind == "lost quantity":
            slot.page.qty_lots[best & 63] = 0
        elif kind == "ghost quantity":
            slot.page.qty_lots[(best + 1) & 63] = 5
        elif kind == "negative quantity":
            slot.page.qty_lots[best & 63] = -1
        elif kind == "own order":
            own.levels[0].price_ticks = own.levels[1].price_ticks
        elif kind == "own quantity":
            own.levels[0].qty_lots = 0
        else:
            raise ValueError(kind)
        return 0

    def undo(self) -> None:
        """The side as it was when this was made."""
        cdef LadderSide* ladder = &self.book.book.sides[self.side]
        ladder[0] = self.ladder
        ladder.slots[self.ladder.best_index >> 6] = self.slot
        self.slot.page[0] = self.page
        ladder.branches[self.ladder.best_index >> 12] = self.branch
        self.book.book.own[self.side].levels[0] = self.own
