"""A library for generators and deployers: names, tags, sizes, prices with date and source."""
