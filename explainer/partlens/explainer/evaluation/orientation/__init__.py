"""Estimates which way a street panorama faces, from the maps that match it to an aerial image."""
