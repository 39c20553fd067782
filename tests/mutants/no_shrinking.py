"""For the mutants' runs: a property that fails need not be made small, and fails in the same way each time."""

from __future__ import annotations

from hypothesis import Phase, settings


def pytest_sessionstart() -> None:
    """Once tests/conftest.py has loaded its own profile."""
    settings.register_profile("mutants", deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")
