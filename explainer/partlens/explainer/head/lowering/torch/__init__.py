"""Lowers PyTorch's ATen graph to the operator list."""
