"""The `autostack` command."""
