"""The sequencer: own-order events first, then control and timers one by one, then market data in batches.

A session fills a record in claimed space and pushes its descriptor; here the record is committed, the turn's stamps are set, and the
descriptor goes on to those who need it. An input is taken only when everyone it goes to has room: nothing is lost between.
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.model.codes cimport (
    COMMAND_KIND_PAUSE, COUNTER_COMMANDS, COUNTER_JOURNAL_BYTES, COUNTER_JOURNAL_LAST_SEQ, COUNTER_JOURNAL_RECORDS,
    COUNTER_JOURNAL_REFUSED, COUNTER_JOURNAL_SYNCED_SEQ, COUNTER_TIMERS, LANE_LEDGER, LANE_TAPE, RECORD_KIND_ASSET, RECORD_KIND_COMMAND,
    RECORD_KIND_EXECUTION_REPORT, RECORD_KIND_FUNDING_PAYMENT, RECORD_KIND_HANDLES, RECORD_KIND_INSTRUMENT_UPDATE, RECORD_KIND_TIMER, RECORD_KIND_TIME_SYNC, RECORD_KIND_VENUE_HEALTH, TIMER_KIND_BAR, TIMER_KIND_EXECUTION, TIMER_KIND_STRATEGY, TIMER_KIND_TICK,
)
from engine.model.described cimport describe
from engine.model.descriptor cimport Descriptor
from engine.model.records cimport AssetPayload, CommandPayload, HandlesPayload, RecordHeader, StatePayload, TimerPayload
from engine.model.tables cimport Tables
from engine.runtime.counters cimport Counters

from engine.journal.journal cimport TURN_FIRST_OF_POLL, TURN_FIRST_OF_RUN, TURN_POLL_MAX, TURN_PRESSED, TURN_REFUSED_CLAIM
from engine.journal.replayed cimport (
    TW_DIFFERENT, TW_NO_ROOM, RecordedSession, TwRecord, TwRecorded, tw_recorded_find, tw_recorded_next, tw_recorded_pass,
    tw_recorded_touch,
)

from engine.journal.errors import JournalFull

cdef enum:
    MARKET_BATCH_MAX = 256
    TO_BOOK = 1
    TO_OMS = 2
    TO_STRATEGY = 4
    TO_RISK = 8
    TO_EXECUTION = 16
    REASON_BYTES_MAX = 512
    LINES_MAX = 16
    DETAIL_BYTES_MAX = 32768


cdef class Sequencer(Actor):
    """Rings in: own, control, market. Rings out: book, OMS, strategy. `tables`: whose counter of order handles gives operators theirs; None = nobody asks.

    `to_oms`: one ring, or one for each line by its venue id. An own-order input goes to the line that its record names; what names none
    (ticks, commands about everything) goes to all of them, each with room for it.
    """

    def __init__(self, str name, Journal journal not None, tables, Counters counters, Ring inbound_own not None,
                 Ring inbound_control not None, Ring inbound_market not None, Ring to_book not None, to_oms not None,
                 Ring to_strategy not None, Clock clock not None, *, Ring to_risk=None, Ring to_execution=None):
        Actor.__init__(self, name)
        self.journal = journal
        self.counters = counters
        self._tables = tables
        self.inbound_own = inbound_own
        self.inbound_control = inbound_control
        self.inbound_market = inbound_market
        self.to_book = to_book
        self._lines = {1: to_oms} if isinstance(to_oms, Ring) else dict(to_oms)
        self._bind_lines()
        self.to_strategy = to_strategy
        self.to_risk = to_risk
        self.has_risk = to_risk is not None
        self.to_execution = to_execution
        self.has_execution = to_execution is not None
        self.clock = clock

    def _bind_lines(self) -> None:
        """The rings as the hot path reads them. A single line hears everything, whatever its records name."""
        cdef Ring ring
        cdef int number
        if not self._lines or not all(0 < line < LINES_MAX for line in self._lines):
            raise ValueError(f"lines {sorted(self._lines)}: at least one, numbered from 1 to {LINES_MAX - 1}")
        for line, ring in self._lines.items():
            self._line_rings[<int> line] = <void*> ring
            self._rings_in_use[self._line_count] = <void*> ring
            self._line_count += 1
        self.to_oms = next(iter(self._lines.values()))

    def attach(self, Pipeline pipeline not None) -> None:
        """The pipeline that `execute_command` runs."""
        self._pipeline = pipeline
        self._has_pipeline = True

    cdef int do_work(self) except -1:
        cdef Descriptor* item
        cdef int done = 0
        cdef uint64_t poll = 0
        if self.source is not None:
            return self._feed()
        if self._has_pipeline:
            poll = self._pipeline.round_now
            if self._pipeline.runs != self._run:
                self._run = self._pipeline.runs
                self._turn |= TURN_FIRST_OF_RUN
        else:
            self._turn |= TURN_FIRST_OF_RUN
        self._turn = (self._turn & TURN_FIRST_OF_RUN) | TURN_FIRST_OF_POLL | <int> (poll if poll < TURN_POLL_MAX else TURN_POLL_MAX)
        item = self.inbound_own.peek()
        if item != NULL:
            return self._apply(<void*> self.inbound_own, item)
        item = self.inbound_control.peek()
        if item != NULL:
            return self._apply(<void*> self.inbound_control, item)
        while done < MARKET_BATCH_MAX:
            item = self.inbound_market.peek()
            if item == NULL or not self._apply(<void*> self.inbound_market, item):
                break
            done += 1
        return done

    cdef int _routes(self, const Descriptor* item) noexcept nogil:
        cdef int kind = item.kind
        cdef TimerPayload* timer
        if kind < RECORD_KIND_EXECUTION_REPORT:
            return TO_BOOK
        if kind == RECORD_KIND_INSTRUMENT_UPDATE:
            return TO_BOOK | TO_STRATEGY
        if kind == RECORD_KIND_COMMAND:
            return TO_OMS | TO_STRATEGY | TO_RISK | TO_EXECUTION
        if kind == RECORD_KIND_FUNDING_PAYMENT:
            return TO_OMS | TO_RISK
        if kind == RECORD_KIND_VENUE_HEALTH:
            return TO_RISK
        if kind == RECORD_KIND_HANDLES or kind == RECORD_KIND_ASSET:
            return 0
        if kind != RECORD_KIND_TIMER:
            return TO_OMS
        timer = <TimerPayload*> (<uint8_t*> item.record + sizeof(RecordHeader))
        if timer.timer_kind == TIMER_KIND_TICK:
            return TO_BOOK | TO_OMS | TO_STRATEGY | TO_RISK | TO_EXECUTION
        if timer.timer_kind == TIMER_KIND_STRATEGY or timer.timer_kind == TIMER_KIND_BAR:
            return TO_STRATEGY
        return TO_EXECUTION if timer.timer_kind == TIMER_KIND_EXECUTION else TO_OMS

    cdef bint _has_room(self, const Descriptor* item, int routes) noexcept nogil:
        cdef int i
        cdef void* line
        if routes & TO_BOOK and self.to_book.depth() >= self.to_book.capacity:
            return False
        if routes & TO_STRATEGY and self.to_strategy.depth() >= self.to_strategy.capacity:
            return False
        if routes & TO_RISK and self.has_risk and self.to_risk.depth() >= self.to_risk.capacity:
            return False
        if routes & TO_EXECUTION and self.has_execution and self.to_execution.depth() >= self.to_execution.capacity:
            return False
        if not routes & TO_OMS:
            return True
        line = self._line_of(item)
        if line != NULL:
            return (<Ring> line).depth() < (<Ring> line).capacity
        for i in range(self._line_count):
            if (<Ring> self._rings_in_use[i]).depth() >= (<Ring> self._rings_in_use[i]).capacity:
                return False
        return True

    cdef void* _line_of(self, const Descriptor* item) noexcept nogil:
        """The ring of the line that an input is for; NULL: it is for all of them."""
        if self._line_count == 1:
            return self._rings_in_use[0]
        # a line's account has its number: a command that names only the account is the line's too
        if item.venue_id:
            return self._line_rings[item.venue_id & (LINES_MAX - 1)]
        return self._line_rings[item.account_id & (LINES_MAX - 1)]

    cdef bint _push_to_lines(self, const Descriptor* item) noexcept nogil:
        cdef int i
        cdef void* line = self._line_of(item)
        if line != NULL:
            return (<Ring> line).push(item)
        for i in range(self._line_count):
            (<Ring> self._rings_in_use[i]).push(item)
        return True

    cdef bint _apply(self, void* ring, Descriptor* item) noexcept nogil:
        """Commit one input and route it. False: it stays in its ring, since someone it goes to has no room.

        `ring` is one of ours, handed on without counting a reference."""
        cdef RecordHeader* record = item.record
        cdef int routes
        cdef uint64_t seq
        if record == NULL:
            self.lost += 1
            (<Ring> ring).release()
            return True
        routes = self._routes(item)
        if not self._has_room(item, routes):
            self.waits += 1
            return False
        if record.kind == 0:
            # a later claim of the lane was committed while this one waited: it gets a place of its own
            record = self.journal.renew(record)
        if record == NULL:
            self.lost += 1
            (<Ring> ring).release()
            return True
        if record.kind == RECORD_KIND_HANDLES:
            self._give_handles(record)
        elif record.kind == RECORD_KIND_ASSET:
            self._show_asset(record)
        if record.mono_ns >= self.journal.now_mono_ns:
            self.journal.now_wall_ns = record.wall_ns
            self.journal.now_mono_ns = record.mono_ns
        seq = self.journal.commit_input(record, self._turn)
        if seq == 0:
            self.lost += 1
            (<Ring> ring).release()
            return True
        self._turn &= TURN_POLL_MAX
        item.record = record
        item.seq = seq
        item.cause_seq = seq
        item.kind = record.kind
        self.journal.input_seq = seq
        self.inputs += 1
        if record.kind == RECORD_KIND_TIMER:
            self._count(COUNTER_TIMERS)
            if routes & TO_BOOK:
                self._publish_counts()
        elif record.kind == RECORD_KIND_COMMAND:
            self._count(COUNTER_COMMANDS)
            self._command_seq = seq
        self._push(item, routes)
        (<Ring> ring).release()
        return True

    cdef void _push(self, const Descriptor* item, int routes) noexcept nogil:
        """To everyone whom an applied input concerns."""
        if routes & TO_BOOK:
            self.to_book.push(item)
        if routes & TO_OMS:
            self._push_to_lines(item)
        if routes & TO_STRATEGY:
            self.to_strategy.push(item)
        if routes & TO_RISK and self.has_risk:
            self.to_risk.push(item)
        if routes & TO_EXECUTION and self.has_execution:
            self.to_execution.push(item)

    # --- a replay

    def follow(self, RecordedSession source not None) -> None:
        """Take the inputs of a recorded session, not those of the rings."""
        self.source = source

    cdef int _feed(self) noexcept:
        """The recorded inputs of this poll; at least 1 while the recorded run goes on with a later poll."""
        cdef TwRecorded* session = &self.source.state
        cdef Descriptor* item
        cdef int done = 0, found
        session.poll = <uint32_t> self._pipeline.round_now
        if session.is_off:
            item = self.inbound_own.peek()
            if item != NULL:
                return self._apply(<void*> self.inbound_own, item)
            item = self.inbound_control.peek()
            if item != NULL:
                return self._apply(<void*> self.inbound_control, item)
        while True:
            found = tw_recorded_next(session, &self.journal.last_seq)
            if found <= 0:
                return done if found == 0 else max(done, 1)
            if not self._deliver(<RecordHeader*> session.head):
                tw_recorded_find(session, TW_NO_ROOM, session.head, NULL)
                return done
            done += 1

    cdef bint _deliver(self, RecordHeader* record) noexcept nogil:
        """Apply one recorded input where it stands. False: someone it goes to has no room, and had then."""
        cdef TwRecorded* session = &self.source.state
        cdef Descriptor item
        cdef int routes
        describe(&item, record)
        item.seq = item.cause_seq = record.seq
        routes = self._routes(&item)
        if not self._has_room(&item, routes):
            return False
        if record.kind == RECORD_KIND_HANDLES and not self._gives_same_handles(record):
            return True
        if record.kind == RECORD_KIND_ASSET:
            self._show_asset(record)
        if session.is_off:
            item.seq = item.cause_seq = self.journal.last_seq + 1
        if record.mono_ns >= self.journal.now_mono_ns:
            self.journal.now_wall_ns = record.wall_ns
            self.journal.now_mono_ns = record.mono_ns
        self.journal.last_seq = self.journal.input_seq = item.seq
        self.journal.is_pressed = (record.turn & TURN_PRESSED) != 0
        tw_recorded_touch(session, <TwRecord*> record)
        session.inputs += 1
        session.run_inputs += 1
        session.has_begun = True
        session.refusals += (record.turn & TURN_REFUSED_CLAIM) != 0
        self.inputs += 1
        if record.kind == RECORD_KIND_TIMER:
            # the recorded queue had let go of it; it is waited for here no longer
            self.source.timers.drop((<TimerPayload*> (record + 1)).timer_id)
        elif record.kind == RECORD_KIND_TIME_SYNC:
            session.offset_ns[record.venue_id & (LINES_MAX - 1)] = (<StatePayload*> (record + 1)).detail
        tw_recorded_pass(session)
        self._push(&item, routes)
        return True

    cdef void _give_handles(self, RecordHeader* record) noexcept nogil:
        """Numbers leave the counter where their record stands in the sequence: played again, strategies get the same ones between."""
        cdef HandlesPayload* handles = <HandlesPayload*> (record + 1)
        handles.first_handle = self._tables.control.next_handle + 1
        self._tables.control.next_handle += handles.count
        self._handles = handles.first_handle

    cdef bint _gives_same_handles(self, RecordHeader* record) noexcept nogil:
        cdef uint64_t then = (<HandlesPayload*> (record + 1)).first_handle
        self._give_handles(record)
        if (<HandlesPayload*> (record + 1)).first_handle == then:
            return True
        tw_recorded_find(&self.source.state, TW_DIFFERENT, <TwRecord*> record, <TwRecord*> record)
        (<HandlesPayload*> (record + 1)).first_handle = then
        return False

    cdef void _show_asset(self, const RecordHeader* record) noexcept with gil:
        """From here in the sequence on the stages know the asset: a codec gave it its number when it read the frame, some inputs earlier."""
        cdef const AssetPayload* asset = <const AssetPayload*> (record + 1)
        name = (<const char*> (asset + 1))[:record.length - sizeof(RecordHeader) - sizeof(AssetPayload)].rstrip(b"\0")
        if self._tables is not None:
            self._tables.show_asset(asset.asset_id, name.decode(), record.venue_id)

    cdef void _count(self, int counter) noexcept nogil:
        cdef uint64_t* slots = self.counters.values
        slots[counter] += 1

    cdef void _publish_counts(self) noexcept nogil:
        cdef uint64_t* slots = self.counters.values
        self.journal.publish_counts(slots + <int> COUNTER_JOURNAL_RECORDS, slots + <int> COUNTER_JOURNAL_BYTES,
                                    slots + <int> COUNTER_JOURNAL_SYNCED_SEQ, slots + <int> COUNTER_JOURNAL_REFUSED)
        slots[<int> COUNTER_JOURNAL_LAST_SEQ] = self.journal.last_seq
        self.counters.publish_rings()

    # --- the way in for cold code

    cdef RecordHeader* _claim_control(self, int kind, uint32_t size, int lane=LANE_LEDGER) except NULL:
        """A zeroed record, stamped now; commands and timers may use the ledger's reserve, so that kill always finds room."""
        cdef RecordHeader* record = NULL
        if lane == LANE_TAPE:
            record = self.journal.claim(LANE_TAPE, kind, size, False)
        if record == NULL:
            record = self.journal.claim(LANE_LEDGER, kind, size, True)
        if record == NULL:
            raise JournalFull("the ledger's front is full: the disk does not keep up or has failed")
        memset(<uint8_t*> record + sizeof(RecordHeader), 0, size - sizeof(RecordHeader))
        record.wall_ns = self.clock.wall_ns()
        record.mono_ns = self.clock.mono_ns()
        return record

    cdef int _push_control(self, RecordHeader* record) except -1:
        cdef Descriptor item
        describe(&item, record)
        if not self.inbound_control.push(&item):
            self.journal.abandon(record)
            raise JournalFull("the control ring is full: the pipeline does not run")
        return 0

    def submit_command(self, int command_kind, *, uint32_t uid=0, str reason="", int scope_kind=0, int venue_id=0, int account_id=0,
                       int strategy_id=0, uint32_t instrument_id=0, uint64_t order_handle=0, int side=0, int64_t price_ticks=0,
                       int64_t qty_lots=0, int order_type=0, int time_in_force=0, int flags=0, uint8_t position_side=0, bytes detail=b"") -> int:
        """Put a COMMAND into the control ring; returns its command id. JournalFull where there is no room.

        Scope ids (0 = all) stand in the record's header; `detail` (JSON, at most 32 KiB) and `reason` (at most 512 bytes of UTF-8) behind
        the payload.
        """
        cdef bytes text = reason.encode()[:REASON_BYTES_MAX]
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(CommandPayload) + len(detail) + len(text)
        cdef RecordHeader* record
        cdef CommandPayload* command
        if not COMMAND_KIND_PAUSE <= command_kind <= 0xFFFF:
            raise ValueError(f"{command_kind} is no command kind")
        if len(detail) > DETAIL_BYTES_MAX:
            raise ValueError(f"{len(detail)} bytes of detail: at most {DETAIL_BYTES_MAX}")
        record = self._claim_control(RECORD_KIND_COMMAND, size)
        command = <CommandPayload*> (<uint8_t*> record + sizeof(RecordHeader))
        self._submitted += 1
        command.command_id = self._submitted
        command.uid = uid
        command.command_kind = command_kind
        command.scope_kind = scope_kind
        command.side = side
        command.price_ticks = price_ticks
        command.qty_lots = qty_lots
        command.order_type = order_type
        command.time_in_force = time_in_force
        command.flags = flags
        command.detail_size = <uint32_t> len(detail)
        memcpy(<uint8_t*> command + sizeof(CommandPayload), <const char*> detail, len(detail))
        memcpy(<uint8_t*> command + sizeof(CommandPayload) + len(detail), <const char*> text, len(text))
        record.venue_id = venue_id
        record.account_id = account_id
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        record.position_side = position_side
        self.journal.shrink(record, size)
        self._push_control(record)
        return self._submitted

    def execute_command(self, int command_kind, **fields) -> int:
        """Submit a command, run the attached pipeline, return the command's sequence number (0 = it still waits)."""
        if self._pipeline is None:
            raise RuntimeError("no pipeline is attached")
        self._command_seq = 0
        self.submit_command(command_kind, **fields)
        self._pipeline.run()
        return self._command_seq

    def take_handles(self, uint32_t count=1) -> int:
        """The first of `count` order handles for an operator's orders; runs the attached pipeline. 0 where there is no room now."""
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(HandlesPayload)
        cdef RecordHeader* record
        if self._pipeline is None:
            raise RuntimeError("no pipeline is attached")
        if self._tables is None:
            raise RuntimeError("there are no tables to take handles from")
        try:
            record = self._claim_control(RECORD_KIND_HANDLES, size)
        except JournalFull:
            return 0
        (<HandlesPayload*> (record + 1)).count = count
        self._handles = 0
        try:
            self._push_control(record)
        except JournalFull:
            return 0
        self._pipeline.run()
        return self._handles

    def submit_timer(self, int timer_kind, *, uint64_t timer_id=0, int64_t deadline_mono_ns=0, int64_t data=0, int strategy_id=0,
                     uint32_t instrument_id=0, uint32_t session_id=0) -> None:
        """Put a TIMER into the control ring. JournalFull where there is no room.

        Ticks stand on the tape: there are twenty a second, and nobody needs last year's. Where the tape has no room the ledger takes
        them: without ticks nothing would time out; and where market frames wait, since their claims would be passed over.
        """
        cdef bint is_for_tape = timer_kind == TIMER_KIND_TICK and self.inbound_market.depth() == 0
        cdef uint32_t size = sizeof(RecordHeader) + sizeof(TimerPayload)
        cdef RecordHeader* record = self._claim_control(RECORD_KIND_TIMER, size, LANE_TAPE if is_for_tape else LANE_LEDGER)
        cdef TimerPayload* timer = <TimerPayload*> (<uint8_t*> record + sizeof(RecordHeader))
        timer.timer_id = timer_id
        timer.deadline_mono_ns = deadline_mono_ns
        timer.timer_kind = timer_kind
        timer.data = data
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.session_id = session_id
        self._push_control(record)

    def submit_record(self, int kind, const unsigned char[::1] payload=b"", *, int venue_id=0, int account_id=0, int strategy_id=0,
                      uint32_t instrument_id=0, uint64_t order_handle=0, uint32_t session_id=0, uint32_t frame_length=0,
                      uint32_t frame_crc32c=0) -> None:
        """Put any other ledger input (TIME_SYNC, INSTRUMENT, RECONCILE_BEGIN, ...) into the control ring."""
        cdef uint32_t size = sizeof(RecordHeader) + payload.shape[0]
        cdef RecordHeader* record = self._claim_control(kind, size + 8)
        if payload.shape[0]:
            memcpy(<uint8_t*> record + sizeof(RecordHeader), &payload[0], payload.shape[0])
        self.journal.shrink(record, size)
        record.venue_id = venue_id
        record.account_id = account_id
        record.strategy_id = strategy_id
        record.instrument_id = instrument_id
        record.order_handle = order_handle
        record.session_id = session_id
        record.frame_length = frame_length
        record.frame_crc32c = frame_crc32c
        self._push_control(record)
