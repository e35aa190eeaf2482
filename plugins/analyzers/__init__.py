"""Read a source and claim what it needs; never run it. One file per language or concern."""
