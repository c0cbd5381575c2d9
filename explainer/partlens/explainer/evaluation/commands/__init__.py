"""The commands of `partlens evaluate`: each reads images, calls one measure and prints."""
