"""Compares two models on the same data: does the one that overfits also localise worse?"""
