"""Training of the ``lite`` model set: the standard's decoder networks, our own weights.

The decoder side (hyper-decoder, hyper scale decoder, context model, SOP synthesis, gain vector, z
frequencies) has the standard's topology and channel counts. The analysis transform and the
hyper-encoder are not normative; ours are light, so that two processor cores train the whole set.
"""
