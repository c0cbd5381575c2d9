"""Everything after the feature map, as a list of operators that decomposes into positions."""
