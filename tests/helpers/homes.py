"""Tests of galleries wherever their truth is kept."""

import pytest

in_a_folder_and_a_bucket = pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)
"""For tests that use the fixture `gallery` of tests/indexer/gallery."""
