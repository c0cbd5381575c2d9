"""`partlens model import`: an import in a child process, from request to model folder."""
