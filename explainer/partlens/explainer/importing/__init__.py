"""Make a model from a file or a pretrained network, and check it against the original."""
