"""Decoders with one mistake each, and how many of them a suite of streams finds out.

``catalogue`` has the mistakes, ``patch`` puts one into the golden decoder, ``replay`` decodes a suite's
streams with it from the first stage that it can change, ``run`` does so for all of them in processes of
their own, ``report`` writes down what was found out by what.
"""
