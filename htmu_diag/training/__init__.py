"""Training: bundled models, data sets and one loop."""
