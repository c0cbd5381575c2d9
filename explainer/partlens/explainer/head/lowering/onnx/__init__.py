"""Lowers ONNX nodes to the operator list."""
