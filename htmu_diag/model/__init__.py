"""A live model, left as found: names without wrappers, one tensor at a time, measurements without a trace."""
