"""The routes: one blueprint for each resource, named as in the URL. A route parses, asks the core, answers."""
