"""The program `partlens`: a table of commands, each loaded from its part when called."""
