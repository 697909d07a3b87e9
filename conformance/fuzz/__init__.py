"""Hostile input: targets that give bytes to one reader, mutators that know its syntax, a driver."""
