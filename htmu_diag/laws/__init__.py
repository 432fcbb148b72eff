"""Laws of spectra, one law a file, with scipy's method names."""
