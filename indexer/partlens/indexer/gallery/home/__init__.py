"""Where the truth of a gallery is kept: in a folder, or in a bucket of an object store."""
