"""The ledger in SQL: desk copies what the engine journals into SQLite or PostgreSQL, each record exactly once."""
