"""Recording: a measured step stored first, then diagnosed, then passed to the sinks; errors contained."""
