"""The hunt for faults: engine and venue in one process under virtual time, a seed's schedule of faults, checkers throughout."""
