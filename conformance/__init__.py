"""What makes and judges streams: encoder, exact twin, quantiser, suites and verification."""
