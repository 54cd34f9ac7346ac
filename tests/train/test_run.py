"""A run's directory: made once, never written over, each file whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from jaxvision.train import run


def test_a_new_run_has_its_configuration(tmp_path):
    path = tmp_path / "deep" / "run"
    run.create_run(path, {"config": {"seed": 3}})
    assert run.read_config(path) == {"config": {"seed": 3}}


def test_a_directory_that_holds_a_run_is_refused_and_left_alone(tmp_path):
    run.create_run(tmp_path, {"first": True})
    with pytest.raises(FileExistsError, match=r"already holds a run.*--out.*--resume"):
        run.create_run(tmp_path, {"second": True})
    assert run.read_config(tmp_path) == {"first": True}


def test_a_directory_with_other_things_or_a_file_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match=r"is not empty.*--out"):
        run.check_free(tmp_path)
    with pytest.raises(FileExistsError, match=r"thesis.tex is not empty|is a file"):
        run.check_free(tmp_path / "thesis.tex")


def test_runs_of_the_same_name_are_numbered(tmp_path):
    names = [run.make_numbered(tmp_path / "runs", "digits").name for _ in range(3)]
    assert names == ["digits", "digits-2", "digits-3"]


def test_of_many_that_ask_at_once_each_gets_a_directory_of_its_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: run.make_numbered(tmp_path, "digits"), range(40)))
    assert len(set(paths)) == 40 and all(path.is_dir() for path in paths)


def test_numbering_ends_where_nothing_can_be_made(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ValueError, match=r"runs/digits cannot be made .*--out"):
        run.make_numbered(tmp_path / "runs", "digits")


def test_what_is_not_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent is not a run: it has no config.json"):
        run.read_config(tmp_path / "absent")
    (tmp_path / "config.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"config.json is damaged"):
        run.read_config(tmp_path)


def test_metrics_are_a_line_an_epoch(tmp_path):
    history = ({"epoch": 1, "train": {"loss": 2.5}}, {"epoch": 2, "train": {"loss": 1.5}})
    run.write_metrics(tmp_path / "metrics.jsonl", history)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert tuple(json.loads(line) for line in lines) == history


def test_a_file_is_replaced_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    run.write_json(path, {"version": 1})

    def die(*_):
        raise KeyboardInterrupt

    for last_moment in (("os.fsync", die), ("pathlib.Path.replace", die)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(*last_moment)
            run.write_json(path, {"version": 2})
        assert json.loads(path.read_text()) == {"version": 1}
    run.write_json(path, {"version": 2})
    assert json.loads(path.read_text()) == {"version": 2}


def test_a_directory_that_may_not_be_changed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(run.os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ValueError, match=r"deep/run cannot be written, because .* --out"):
        run.check_free(tmp_path / "deep" / "run")


def test_a_directory_with_a_lock_alone_is_free(tmp_path):
    (tmp_path / ".lock").touch()
    run.check_free(tmp_path)


def test_a_write_that_fails_says_what_to_do_and_leaves_what_was_there(tmp_path, monkeypatch):
    run.write_whole(tmp_path / "file", b"old")

    def no_room(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run.os, "fsync", no_room)
    with pytest.raises(
        OSError, match=r"file cannot be written \(No space left.*0\.0 MB are needed"
    ):
        run.write_whole(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"
