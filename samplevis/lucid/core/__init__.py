"""What Lucid's own modules here share: variables, random numbers, networks and programs. No module of Lucid has this name."""
