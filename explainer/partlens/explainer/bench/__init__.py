"""What things cost: one module a measurement, each a pure function and a command."""
