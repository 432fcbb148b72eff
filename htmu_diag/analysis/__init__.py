"""Analysis: the one pipeline from a spectrum to named numbers, used live and offline."""
