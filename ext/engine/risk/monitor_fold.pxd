"""The risk monitor's part of earlier runs' ledger: folded record by record, finished at a start, kept as an image."""
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.records cimport RecordHeader
from engine.risk.monitor cimport RiskMonitor

# 1 where the record was used.
cdef int fold_risk(RiskMonitor monitor, const RecordHeader* record) except -1
cdef int finish_risk(RiskMonitor monitor) except -1
cdef int write_risk(ImageWriter out, RiskMonitor monitor) except -1
cdef int read_risk(ImageReader source, RiskMonitor monitor) except -1
