"""The pytest plugin for plugin authors: fixtures that ask a plugin in the test's own process."""
