"""Fits: values in, a frozen result out."""
