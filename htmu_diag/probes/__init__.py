"""Probes: what is measured at a step, when, and without disturbing the training."""
