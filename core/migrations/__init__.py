"""Schema history, for Alembic."""
