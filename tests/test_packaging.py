"""The parts share the namespace package partlens."""

from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_part_claims_the_namespace_for_itself() -> None:
    """One partlens/__init__.py would hide every other part (PEP 420)."""
    assert (ROOT / "explainer/partlens/explainer/__init__.py").exists()
    assert not list(ROOT.glob("*/partlens/__init__.py"))
