"""Storage: the spectra of each step on disk, append-only and crash-safe."""
