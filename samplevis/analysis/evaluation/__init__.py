"""How good visualizations are: one file for each measure, and the table of what they found."""
