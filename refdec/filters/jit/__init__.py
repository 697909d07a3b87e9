"""Post-filters as compiled integer kernels."""
