"""A funding book as bytes: order management and the risk monitor keep one each."""
from engine.journal.image cimport ImageReader, ImageWriter
from engine.model.funding cimport FundingBook

cdef int write_funding(ImageWriter out, FundingBook book) except -1
cdef int read_funding(ImageReader source, FundingBook book) except -1
