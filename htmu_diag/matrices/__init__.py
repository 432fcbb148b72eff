"""Matrices: 2-D matrices out of modules, state dicts and checkpoints, one at a time."""
