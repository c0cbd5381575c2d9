"""How S3-compatible object stores are reached, for galleries and for images."""
