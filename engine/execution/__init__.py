"""The execution stage: held orders, lists, protection, algorithms."""
