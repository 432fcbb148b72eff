"""Real optimizer steps, in whatever loop they are taken: counted, in whole rounds, and those that nobody counted."""
