"""Extraction in a child process, so that a server can index a folder and stay responsive."""

from partlens.indexer.extracting.messages import Listed
from partlens.indexer.extracting.process import ExtractionProcess

__all__ = ["ExtractionProcess", "Listed"]
