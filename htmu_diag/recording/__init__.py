"""Recording, off the training thread: a step is stored first, diagnosed, passed to the sinks; errors contained."""
