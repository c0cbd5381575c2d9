"""`partlens open`: a folder of pictures, indexed and served to a browser on this machine."""
