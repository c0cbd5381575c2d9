"""A writer knows the files that it has synced, and not those that are gone."""

from pathlib import Path

from partlens.indexer.gallery.durability import files_below, sync_new


def test_names_of_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    known = files_below(tmp_path)
    for number in range(50):
        file = tmp_path / "data" / f"{number}"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        (tmp_path / ".draft").touch()
        assert sync_new(tmp_path, known) == [file]
        assert sync_new(tmp_path, known) == []
        assert known == {tmp_path, file.parent, file}
        file.unlink()
