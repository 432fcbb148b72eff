"""Report: figures and tables of a run."""
