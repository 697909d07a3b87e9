"""Evidence that a machine decodes exactly: what it is, what ran on it, and the digest of every stage."""
