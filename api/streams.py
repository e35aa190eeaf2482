"""Live events of a project (server-sent events): resumable, capped per user, ended with a word when the server ends.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A stream reads the log from its own cursor, woken when
something is appended: a client that doesn't read holds up nobody, and is dropped; it comes back with Last-Event-ID.
"""
