"""What people read: an analysis, a bundle, costs, a plan, as lines of text."""
