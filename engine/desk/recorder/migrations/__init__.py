"""The recorder's schema, step by step: Alembic carries out what a database has not seen. A released step never changes."""
