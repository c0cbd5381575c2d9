"""The commands of `partlens evaluate`: each reads images, runs one measurement and prints it."""
