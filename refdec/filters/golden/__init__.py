"""Post-filters as the definitions read: NumPy int64, every bound asserted."""
