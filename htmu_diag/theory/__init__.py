"""Theory: parameters in, predictions out."""
