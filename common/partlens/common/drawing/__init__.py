"""Maps in colours over pictures, and figures that notebooks show and files keep."""
