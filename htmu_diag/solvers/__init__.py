"""Solvers: operator or matrix in, `Spectrum` out."""
