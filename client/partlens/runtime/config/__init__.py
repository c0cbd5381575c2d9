"""The settings, gathered from flags, the environment and partlens.toml."""
