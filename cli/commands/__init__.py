"""One module for each subcommand; each holds `command`. Only click is imported at the top of any."""
