"""From ONNX nodes to the operator list."""
