"""The HTTP API: a Quart application that asks the core and answers."""
