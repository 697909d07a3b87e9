"""Hostile input: targets that give any bytes to one reader, mutators that know its syntax, and their driver."""
