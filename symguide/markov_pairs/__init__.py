"""Guidance between Markov laws: probabilities, marginals and total variation without a list of contexts."""
