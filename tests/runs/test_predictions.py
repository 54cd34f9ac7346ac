"""Pictures that a network makes go into new files."""

import pytest

from jaxvision.runs.predictions import free_names, predictions_folder


def test_a_name_that_is_taken_is_numbered_and_all_kinds_alike(tmp_path):
    assert free_names(tmp_path, "a", ["x", "y"]) == [tmp_path / "a-x.png", tmp_path / "a-y.png"]
    (tmp_path / "a-y.png").touch()
    assert free_names(tmp_path, "a", ["x", "y"]) == [tmp_path / "a-x-2.png", tmp_path / "a-y-2.png"]
    (tmp_path / "a-x-2.png").touch()
    assert free_names(tmp_path, "a", ["x"]) == [tmp_path / "a-x.png"]
    assert free_names(tmp_path, "a", ["y"]) == [tmp_path / "a-y-2.png"]


def test_the_folder_is_made_and_a_file_is_refused(tmp_path):
    assert predictions_folder(tmp_path, None) == tmp_path / "predictions"
    deep = tmp_path / "deep" / "er"
    assert predictions_folder(tmp_path, deep) == deep and deep.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`--out` must be a folder, got the file"):
        predictions_folder(tmp_path, tmp_path / "file")
