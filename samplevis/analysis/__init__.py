"""Analyses of a network: its description, dataset examples, and the importance of pixels."""
