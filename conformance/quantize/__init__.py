"""From float networks to integer graphs: calibration, scales, rounding, and the proof that it is safe."""
