"""The calls: render, optimize, sweep, surprisal, two_ended."""
