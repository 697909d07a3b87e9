"""Official checkpoints to model sets: ``refconf import``."""
