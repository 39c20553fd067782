"""The ledger of earlier runs, folded in one pass.

Each record goes, by its kind and its line, to who rebuilds state from it: order management of each line, the risk monitor, what was
under way in execution. Kinds that nobody wants cost a look into a table. What has been folded is a function of the records alone, and
`sections` gives it as bytes: a snapshot. Nothing may be asked of the stages before `finish`.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from engine.journal.cursor cimport RecordSink, header_of
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.approval cimport ApprovalRegister
from engine.model.codes cimport *
from engine.model.records cimport RecordHeader
from engine.model.tables cimport Tables
from engine.oms.fold_image cimport arrange_orders, read_control, read_line, read_orders, write_control, write_line, write_orders
from engine.oms.restoration cimport Restoration
from engine.risk.monitor cimport RiskMonitor
from engine.risk.monitor_fold cimport finish_risk, fold_risk, read_risk, write_risk

from engine.execution.rebuild import Event
from engine.journal.errors import ImageError
from engine.recovery.sections import SECTION_VERSIONS, Section, SectionKind

cdef enum Taker:
    LINES = 1
    RISK = 2
    EXECUTION = 4
    OWNED = 8        # execution, where the order is a parent's


cdef class LedgerFold(RecordSink):
    """Stages that have folded nothing yet: `lines` (Oms), `monitor`, `execution` (engine.execution.rebuild.Ledger)."""

    def __init__(self, Tables tables not None, ApprovalRegister register not None, lines, RiskMonitor monitor not None,
                 execution not None):
        self.tables = tables
        self.register = register
        self.lines = sorted(lines, key=_number_of)
        self.monitor = monitor
        self.execution = execution
        self._owners = execution.owners
        self._wire()

    def _wire(self) -> None:
        cdef Restoration line
        memset(self._takers, 0, sizeof(self._takers))
        for line in self.lines:
            line._peers = self.lines
        for kind in (RECORD_KIND_INTENT, RECORD_KIND_VERDICT, RECORD_KIND_ORDER_STATE, RECORD_KIND_FILL, RECORD_KIND_COMMAND,
                     RECORD_KIND_TRADING_STATE, RECORD_KIND_ALARM, RECORD_KIND_FUNDING_PAYMENT, RECORD_KIND_MARGIN_TIERS):
            self._takers[<int> kind] |= LINES
        for kind in (RECORD_KIND_FILL, RECORD_KIND_FUNDING_PAYMENT, RECORD_KIND_RISK_STATE, RECORD_KIND_LIMITS):
            self._takers[<int> kind] |= RISK
        for kind in (RECORD_KIND_PARENT_STATE, RECORD_KIND_INSTRUCTION):
            self._takers[<int> kind] |= EXECUTION
        for kind in (RECORD_KIND_ORDER_STATE, RECORD_KIND_FILL):
            self._takers[<int> kind] |= OWNED

    cdef int take(self, const RecordHeader* record) except -1:
        cdef uint8_t takers = self._takers[record.kind] if record.kind < 256 else 0
        self.records += 1
        self.last_seq = record.seq
        self.last_epoch = record.epoch
        self.last_kind = record.kind
        self.last_crc32c = record.crc32c
        if takers == 0:
            return 0
        self.used += 1
        if takers & RISK:
            fold_risk(self.monitor, record)
        if takers & LINES:
            self._take_by_lines(record)
        if takers & EXECUTION or (takers & OWNED and self._owners and record.order_handle in self._owners):
            self._take_by_execution(record)
        return 1

    cdef int _take_by_lines(self, const RecordHeader* record) except -1:
        """A record of no line is for all of them; the youngest order of all is known to each."""
        cdef Restoration line
        cdef bint is_birth = record.kind == RECORD_KIND_ORDER_STATE or record.kind == RECORD_KIND_INTENT
        for line in self.lines:
            if is_birth or record.venue_id == 0 or record.venue_id == line.venue_id:
                line.fold(record)
        return 0

    cdef int _take_by_execution(self, const RecordHeader* record) except -1:
        cdef bytes payload = PyBytes_FromStringAndSize(<const char*> (record + 1), record.length - sizeof(RecordHeader))
        self.execution.take(Event(record.kind, record.seq, record.order_handle, record.strategy_id, payload))
        return 0

    def fold(self, records) -> int:
        """Take records that Python has (`JournalReader.records`); how many of them anybody used."""
        cdef list kept = []
        cdef int used = 0
        for record in records:
            used += self.take(header_of(record, kept))
            kept.clear()
        return used

    def finish(self) -> None:
        """Make of what was folded what a start begins with; nothing is folded after it. Parents are revived by their stage."""
        cdef Restoration line
        arrange_orders(self.register, self.lines)
        for line in self.lines:
            line.finish_fold()
            line._peers = None
        finish_risk(self.monitor)

    # --- as bytes

    def sections(self) -> list:
        """What has been folded: `Section`s, equal for equal states."""
        cdef ImageWriter out
        cdef Restoration line
        found = []
        out = ImageWriter()
        write_control(out, self.tables, self.register)
        found.append(_section(SectionKind.CONTROL, 0, out))
        out = ImageWriter()
        write_orders(out, self.register, self.lines)
        found.append(_section(SectionKind.ORDERS, 0, out))
        for line in self.lines:
            out = ImageWriter()
            write_line(out, line)
            found.append(_section(SectionKind.LINE, line.venue_id, out))
        out = ImageWriter()
        write_risk(out, self.monitor)
        found.append(_section(SectionKind.RISK, 0, out))
        found.append(Section(SectionKind.EXECUTION, 0, SECTION_VERSIONS[SectionKind.EXECUTION], self.execution.image()))
        return found

    def load(self, sections, *, uint64_t seq, uint32_t epoch, uint32_t crc32c) -> None:
        """What `sections` gave after the record of these numbers. ImageError: not ours, and the stages are spoilt."""
        cdef Restoration line
        parts = {(part.kind, part.line): part for part in sections if part.kind != SectionKind.GRID}
        wanted = {(SectionKind.CONTROL, 0), (SectionKind.ORDERS, 0), (SectionKind.RISK, 0), (SectionKind.EXECUTION, 0)}
        wanted |= {(SectionKind.LINE, line.venue_id) for line in self.lines}
        if set(parts) != wanted:
            raise ImageError(f"the image has sections {sorted(parts)}, this engine reads {sorted(wanted)}")
        source = _reader(parts[SectionKind.CONTROL, 0])
        read_control(source, self.tables, self.register, self.lines)
        source.end()
        for line in self.lines:
            source = _reader(parts[SectionKind.LINE, line.venue_id])
            read_line(source, line)
            source.end()
        source = _reader(parts[SectionKind.ORDERS, 0])
        read_orders(source, self.register, self.lines)
        source.end()
        source = _reader(parts[SectionKind.RISK, 0])
        read_risk(source, self.monitor)
        source.end()
        self.execution.load(parts[SectionKind.EXECUTION, 0].data)
        self._owners = self.execution.owners
        self.last_seq, self.last_epoch, self.last_crc32c = seq, epoch, crc32c


def _number_of(Restoration line) -> int:
    return line.venue_id


cdef object _section(kind, line, ImageWriter out):
    return Section(kind, line, SECTION_VERSIONS[kind], out.taken())


cdef ImageReader _reader(part):
    return ImageReader(part.data)
