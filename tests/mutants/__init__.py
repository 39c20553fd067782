"""Guards of money and safety, each with a patch that takes it away and the tests that must fail then (`make mutants`)."""
