"""The encoder's side of the codestream: quantisation, decisions, payloads.

Floating point is at home here and only here: which symbols an encoder picks is its own business, and
nothing that it computes in float is repeated by a decoder.
"""
