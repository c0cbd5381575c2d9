"""Which way a street panorama looks, read from the maps that match it to an aerial picture."""
