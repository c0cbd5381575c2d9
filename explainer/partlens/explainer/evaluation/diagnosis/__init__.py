"""Two models on the same data: does the one that overfits also explain worse."""
