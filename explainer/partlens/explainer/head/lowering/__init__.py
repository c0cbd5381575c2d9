"""Lowers the operators of other frameworks to the operator list."""
