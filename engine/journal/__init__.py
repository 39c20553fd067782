"""The one output of the hot process: sequencer, front, segments, recovery, readers."""
