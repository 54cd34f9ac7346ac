"""What is promised of each fault and each bad input: a table of cases, and a message for each.

A case names the tests that prove it. Where it ends in a message, it is brought about here as well:
the message must be one line that names the file or parameter, what was found and the remedy, and
the command must end with the right code: 2 for what the user can mend, 1 for a failure, 130 and 143
for signals. `docs/reliability.md` has the table; after a change of it

    python -m tests.test_messages

writes it there.
"""

import ast
import dataclasses
import os
import re
import resource
import signal
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxvision.checkpoint import manifest
from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from jaxvision.checkpoint.sums import write_sums
from jaxvision.checkpoint.writer import CheckpointWriter
from jaxvision.cli.errors import explain
from jaxvision.data import ArraySource, COCOSource, check_disjoint, open_folder, read_image
from jaxvision.pretrained.merge import merge
from jaxvision.pretrained.read import read_tensors
from jaxvision.runs.memory import memory_explained
from jaxvision.runs.record import check_same
from jaxvision.train.epoch import NonFiniteError
from jaxvision.train.interruption import InterruptedRunError
from jaxvision.train.lock import lock_run
from tests.checkpoint.made_up import bits, made_up_progress

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- cases: begin -->\n", "<!-- cases: end -->\n"
EMPTY = Path()


@dataclasses.dataclass(frozen=True)
class Case:
    """One fault or bad input.

    Attributes:
        what: happens.
        promise: that is made of it.
        tests: that prove it, as "tests/file.py::test".
        provoke: brings it about in an empty working directory.
        code: of the command then.
        says: what the message must match: the place, what was found, the remedy.
    """

    what: str
    promise: str
    tests: tuple[str, ...]
    provoke: Callable[[], object] | str | None = None
    code: int = 2
    says: tuple[str, ...] = ()


def saved(*steps: int) -> Path:
    for step in steps:
        save_checkpoint(EMPTY.absolute() / "run", made_up_progress(step))
    return Path("run").resolve()


def restore(folder: Path = Path("run")) -> object:
    return restore_checkpoint(folder, made_up_progress())


def disk_full() -> None:
    folder, (_, hard) = saved(1), resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        save_checkpoint(folder, made_up_progress(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [path.name for path in list_checkpoints(folder)] == ["00000001"]


def largest(step: Path) -> Path:
    """The file of a checkpoint that most of it is in."""
    return max((path for path in step.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)


def cut_off() -> None:
    file = largest(saved(3) / "00000003")
    os.truncate(file, file.stat().st_size // 2)
    restore()


def flipped_bit() -> None:
    file = largest(saved(3) / "00000003")
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    restore()


def other_version() -> None:
    step = saved(3) / "00000003"
    file = step / "MANIFEST.json"
    version = f'"version": {manifest.VERSION}'
    assert version in file.read_text()
    file.write_text(file.read_text().replace(version, f'"version": {manifest.VERSION + 1}'))
    write_sums(step)
    restore()


def two_runs() -> None:
    with lock_run(Path("run")), lock_run(Path("run")):
        pass


def changed_settings() -> None:
    then = {"config": {"batch_size": 32, "seed": 0}, "data": {"examples": 9}}
    check_same(then, {"config": {"batch_size": 64, "seed": 1}, "data": {"examples": 9}}, ())


def image(name: str, size: tuple[int, int] = (8, 8)) -> Path:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(name)).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(name)
    return Path(name)


def cut_image() -> None:
    for name in ("pets/cats/0.png", "pets/cats/1.png", "pets/dogs/2.png"):
        image(name)
    os.truncate("pets/dogs/2.png", 60)
    open_folder(Path("pets"))["train"][2]


def bomb() -> None:
    """A few bytes that claim to be 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    Path("bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    read_image(Path("bomb.png"), 3)


def other_format() -> None:
    Path("figure.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    read_image(Path("figure.png"), 3)


def empty_class() -> None:
    image("pets/cats/0.png")
    Path("pets/dogs").mkdir()
    open_folder(Path("pets"))


def same_image_twice() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    parts = {"train": ArraySource(images, [0, 1, 0, 1]), "test": ArraySource(images[2:], [0, 1])}
    check_disjoint(parts)


def other_weights() -> None:
    merge(
        {"params": {"dense": {"kernel": np.zeros((3, 2), np.float32)}}},
        {"params": {"dense": {"kernel": np.zeros((2, 3), np.float32)}, "extra": np.zeros(1)}},
    )


def cut_weights() -> None:
    Path("w.safetensors").write_bytes(struct.pack("<Q", 10**6) + b"{}")
    read_tensors("w.safetensors")


def hostile_weights() -> None:
    np.savez("w.npz", a=np.array([print], object), allow_pickle=True)
    read_tensors("w.npz")


def name_outside() -> None:
    Path("a.json").write_text(
        '{"images": [{"id": 1, "file_name": "../../x.png", "height": 8, "width": 8}],'
        ' "annotations": [], "categories": [{"id": 1, "name": "cat"}]}'
    )
    COCOSource("a.json", ".")


def not_finite() -> None:
    raise NonFiniteError(step=70, skipped=10, batch="images a.png, b.png of epoch 3")


def no_memory() -> None:
    with memory_explained(512, (224, 224, 3)):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory: 9876543210 bytes")


def interrupted() -> None:
    raise InterruptedRunError(signal.SIGTERM, "`jaxvision train --resume run` goes on")


def interrupted_twice() -> None:
    raise InterruptedRunError(signal.SIGINT, "`jaxvision train --resume run` goes on")


CASES = {
    1: Case(
        "kill -9 while a checkpoint is saved",
        "what was acknowledged can be restored; the rest is cleared away",
        ("tests/faults/test_kills.py::test_no_kill_loses_what_was_acknowledged",),
    ),
    2: Case(
        "kill -9 while an old checkpoint is deleted",
        "no half checkpoint is ever listed",
        (
            "tests/faults/test_kills.py::test_no_kill_loses_what_was_acknowledged",
            "tests/checkpoint/test_checkpoint.py::"
            "test_leftovers_of_a_killed_process_are_passed_over_and_cleared",
        ),
    ),
    3: Case(
        "kill -9 in training, again and again",
        "the run ends with the bits of an uninterrupted one",
        (
            "tests/faults/test_killed_training.py::"
            "test_killed_at_random_moments_it_ends_with_the_same_bits",
            "tests/checkpoint/test_every_step.py::"
            "test_from_any_step_the_run_ends_as_if_it_had_never_stopped",
        ),
    ),
    4: Case(
        "SIGTERM or SIGUSR1, while training, evaluating or compiling",
        "saved at that step, exit code 143, nothing made twice",
        (
            "tests/faults/test_signals.py::"
            "test_in_training_it_saves_where_it_is_and_goes_on_from_there",
            "tests/faults/test_signals.py::test_while_programs_are_compiled_it_ends_at_once",
            "tests/train/test_epoch.py::test_an_evaluation_can_be_stopped",
        ),
        interrupted,
        143,
        ("SIGTERM", "--resume run"),
    ),
    5: Case(
        "Ctrl-C, once or twice",
        "saved, exit code 130; the second ends it at once, and what was saved is whole",
        (
            "tests/faults/test_signals.py::"
            "test_a_second_signal_ends_it_at_once_and_what_was_saved_is_whole",
            "tests/faults/test_leaving.py::test_ctrl_c_once_waits_and_twice_does_no_harm",
        ),
        interrupted_twice,
        130,
        ("SIGINT", "--resume run"),
    ),
    6: Case(
        "the script ends or raises while it saves",
        "the save is completed, or the exit code is not 0",
        (
            "tests/faults/test_leaving.py::test_what_was_being_saved_is_saved",
            "tests/faults/test_leaving.py::test_what_could_not_be_saved_is_an_error_of_exit_0",
        ),
    ),
    7: Case(
        "the disk is full, or any file operation fails",
        "older checkpoints stay; what is needed and free is said; nothing is left over",
        (
            "tests/faults/test_failing_operations.py::test_whichever_operation_fails",
            "tests/test_cli.py::test_a_disk_that_is_full_is_one_line_and_what_was_saved_serves",
        ),
        disk_full,
        1,
        (
            r"run/00000002 cannot be written",
            r"[\d.]+ MB, and [\d,]+ MB are free",
            "Raise the limit",
        ),
    ),
    8: Case(
        "the output directory cannot be written, is a file, or vanishes",
        "an error before anything is compiled",
        (
            "tests/train/test_lock.py::test_a_place_that_cannot_be_written_is_named",
            "tests/faults/test_failing_operations.py::test_a_folder_that_vanishes_is_made_anew",
        ),
        "train --out file",
        2,
        ("file is not empty", "choose another directory with --out"),
    ),
    9: Case(
        "a file of a checkpoint is emptied, cut off or missing",
        "it is named and set aside, and the one before is used",
        (
            "tests/faults/test_damage.py::test_every_file_cut_off_or_removed_is_named",
            "tests/checkpoint/test_checkpoint.py::"
            "test_the_damaged_one_is_set_aside_and_its_step_can_be_saved_anew",
            "tests/faults/test_resuming.py::test_with_nothing_but_damage_it_does_not_begin_anew",
        ),
        cut_off,
        1,
        (r"run/00000003: tensors/.*\.npy is damaged", "start a new run"),
    ),
    10: Case(
        "a bit of a checkpoint flips",
        "it is noticed, always; the file and the tensor are named",
        ("tests/faults/test_damage.py::test_every_flipped_bit_is_noticed_and_named",),
        flipped_bit,
        1,
        (r"run/00000003: tensors/.*\.npy is damaged \(tensors? state", "start a new run"),
    ),
    11: Case(
        "other things lie among the checkpoints",
        "they are ignored",
        ("tests/checkpoint/test_checkpoint.py::test_junk_is_ignored",),
    ),
    12: Case(
        "two runs in one directory",
        "the second is refused at once, the first unharmed",
        ("tests/faults/test_lock.py::test_of_two_that_start_at_once_exactly_one_runs",),
        two_runs,
        1,
        (r"run\b", r"process \d+ on host|this very process", "wait until it ends|another"),
    ),
    13: Case(
        "resumed at the end of an epoch, or of the run",
        "the next epoch begins; a finished run says so, exit code 0",
        (
            "tests/faults/test_resuming.py::"
            "test_at_the_end_of_an_epoch_the_next_begins_and_at_the_end_there_is_nothing_to_do",
        ),
    ),
    14: Case(
        "resumed with other settings or data",
        "each field that differs is named, old and new",
        ("tests/faults/test_resuming.py::test_what_was_changed_is_named_old_and_new",),
        changed_settings,
        2,
        ("batch_size was 32 and is 64; seed was 0 and is 1", "--allow-changed batch_size seed"),
    ),
    15: Case(
        "resumed with another number of workers",
        "the very same batches",
        (
            "tests/data/test_streaming.py::test_the_order_is_the_same_for_any_number_of_workers",
            "tests/faults/test_resuming.py::test_what_changes_nothing_that_is_learned_may_differ",
        ),
    ),
    16: Case(
        "resumed on another number of devices",
        "the state to the bit; losses within 1e-6",
        (
            "tests/faults/test_processes.py::test_one_device_to_eight_and_back",
            "tests/train/test_mesh.py::"
            "test_in_float32_the_loss_of_every_step_is_that_of_one_device",
        ),
    ),
    17: Case(
        "one of two processes is killed",
        "the other ends, not with 0; one process can go on",
        (
            "tests/faults/test_two_processes.py::"
            "test_one_is_killed_the_other_ends_and_one_process_goes_on",
        ),
    ),
    18: Case(
        "a worker that reads data is killed",
        "an error that names it, and no hang",
        ("tests/data/test_streaming.py::test_a_killed_worker_is_an_error_and_no_silence",),
    ),
    19: Case(
        "the trainer is killed, or ends in any other way",
        "no worker outlives it",
        (
            "tests/data/test_streaming.py::test_workers_do_not_outlive_a_killed_trainer",
            "tests/faults/test_orphans.py::test_no_worker_outlives_any_end",
        ),
    ),
    20: Case(
        "an image is empty, no image, cut short or damaged",
        "named by path, index and class; or left out, counted and listed",
        (
            "tests/data/test_images.py::test_a_file_cut_short_is_an_error",
            "tests/data/test_images.py::test_what_is_no_image_is_named",
            "tests/data/test_bad_images.py::"
            "test_training_sees_the_others_each_once_and_the_files_stay",
        ),
        cut_image,
        2,
        ("pets/dogs/2.png", "damaged|cut short", "Item 2, class 'dogs'", "[Gg]et|Replace|anew"),
    ),
    21: Case(
        "a JPEG is damaged in its body, where decoders see nothing",
        "`jaxvision data verify` finds it by the manifest of hashes",
        (
            "tests/data/test_verification.py::"
            "test_a_jpeg_damaged_in_its_body_is_caught_by_the_manifest",
        ),
    ),
    22: Case(
        "an image that would fill the memory",
        "refused before it is decoded",
        (
            "tests/data/test_image_bombs.py::"
            "test_bombs_are_refused_within_1_second_and_100_megabytes",
        ),
        bomb,
        2,
        ("bomb.png", r"is too large \(.* pixels", "Shrink it, or raise `max_pixels`"),
    ),
    23: Case(
        "grey, palette, CMYK, alpha, 16 bits, turned by EXIF, animated",
        "the RGB that is stated, within a level",
        ("tests/data/test_image_matrix.py::test_a_golden_file_becomes_what_numpy_computes",),
    ),
    24: Case(
        "a format that is not on the list, or a wrong ending",
        "not opened; what was found is said",
        ("tests/data/test_image_matrix.py::test_what_is_refused_is_named_whatever_it_is_called",),
        other_format,
        2,
        ("figure.png", "none of the formats", "[Cc]onvert|[Ss]ave"),
    ),
    25: Case(
        "an empty class or root, one class, a class in one split only, hidden files, links, names "
        "of any letters",
        "a clear error or a stated rule; classes are sorted",
        (
            "tests/data/test_folder.py::test_a_folder_without_classes_of_images_is_refused",
            "tests/data/test_folder.py::test_splits_that_do_not_fit_together_are_refused",
            "tests/data/test_folder.py::test_images_are_found_at_any_depth_and_hidden_ones_are_not",
            "tests/data/test_folder.py::test_links_are_followed_but_not_in_circles",
        ),
        empty_class,
        2,
        ("pets/dogs", "has no image", "Put images there"),
    ),
    26: Case(
        "labels below 0, beyond the classes, with gaps, no integers",
        "an error with the range, the rows and the remedy",
        ("tests/data/test_sources.py::test_labels_that_number_no_class_are_refused",),
        lambda: ArraySource(np.zeros((3, 8, 8, 3), np.uint8), [0, -1, 1], classes=("a", "b")),
        2,
        ("`labels`", "got -1 to 1", r"rows \[1\]", "Drop or renumber"),
    ),
    27: Case(
        "the same image in training and test",
        "reported with the pairs; exact copies are an error",
        (
            "tests/data/test_duplicates.py::"
            "test_parts_with_an_image_in_common_are_an_error_that_shows_them",
            "tests/data/test_near_duplicates.py::test_changed_photographs_are_found_and_no_others",
        ),
        same_image_twice,
        2,
        ("`parts`", "have 2 .*item 2, item 3", "without_copies"),
    ),
    28: Case(
        "weights of other names, shapes or types",
        "one list of all of them; nothing half loaded",
        ("tests/pretrained/test_merge.py::test_everything_that_does_not_fit_is_in_one_list",),
        other_weights,
        2,
        ("params/dense/kernel", r"\(?\[?3, 2.*2, 3", "params/extra", "allow_"),
    ),
    29: Case(
        "weights cut off, damaged, of another hash, or fetched by halves",
        "refused; the cache stays clean",
        (
            "tests/pretrained/test_read.py::test_a_file_cut_anywhere_is_refused",
            "tests/pretrained/test_fetch.py::test_content_with_another_hash_is_not_kept",
        ),
        cut_weights,
        2,
        ("w.safetensors", "header|cut|bytes", "[Ff]etch|[Gg]et|anew|again"),
    ),
    30: Case(
        "weights that attack whoever reads them",
        "nothing is executed, nothing read or written outside, in 2 s and 200 MB",
        (
            "tests/pretrained/test_hostile.py::test_no_hostile_file_is_read_or_runs_or_leads_outside",
        ),
        hostile_weights,
        2,
        ("w.npz", "object|pickle", "[Ss]ave|[Cc]onvert|[Gg]et"),
    ),
    31: Case(
        "an archive that leads outside or is a bomb",
        "refused; no archive is ever unpacked to disk",
        (
            "tests/pretrained/test_hostile.py::test_no_hostile_file_is_read_or_runs_or_leads_outside",
        ),
    ),
    32: Case(
        "annotations that name files outside",
        "refused",
        (
            "tests/data/test_coco.py::test_an_image_elsewhere_is_refused",
            "tests/data/test_voc.py::test_an_annotation_elsewhere_is_refused",
        ),
        name_outside,
        2,
        ("a.json: image 1", r"'\.\./\.\./x\.png'", "Correct it"),
    ),
    33: Case(
        "NaN or infinity in images, loss, gradient or statistics",
        "the step is left out and counted; after so many in a row it ends; nothing saved has any",
        (
            "tests/train/test_step_options.py::test_a_nan_at_any_step_never_reaches_what_is_kept",
            "tests/train/test_epoch.py::test_too_many_in_a_row_stop_and_the_last_is_named",
            "tests/checkpoint/test_finite.py::test_a_state_that_is_not_finite_is_never_saved",
        ),
        not_finite,
        1,
        ("step 70", "not finite", "smaller learning rate", "a.png"),
    ),
    34: Case(
        "unknown, mistyped, wrong, contradictory settings, or files that are not there",
        "all of them in one list, in 2 s, before JAX is loaded",
        (
            "tests/cli/test_checking.py::test_all_that_is_wrong_is_said_in_one_line",
            "tests/cli/test_checking.py::test_of_a_file_and_the_line_together",
            "tests/cli/test_checking.py::test_it_takes_under_two_seconds_and_not_jax",
            "tests/runs/test_config_file.py::test_all_that_is_wrong_comes_in_one_message",
            "tests/runs/test_config_file.py::"
            "test_the_library_says_all_that_is_wrong_at_once_types_too",
            "tests/fuzz/test_fuzz.py::test_damaged_files_are_read_or_refused",
        ),
        "train --lerning-rate 1 --epochs x --batch-size -2",
        2,
        ("did you mean `--learning-rate`", "a whole number, got 'x'", "at least 1, got -2"),
    ),
    35: Case(
        "the memory does not suffice",
        "what was asked for, for which batch and image, and what helps; what was saved stays",
        ("tests/test_messages.py::test_a_message_says_where_what_and_the_remedy",),
        no_memory,
        1,
        ("9.9 GB", "batches of 512 images of 224 x 224 x 3", "smaller --batch-size"),
    ),
    36: Case(
        "style transfer of pictures too large, too thin, transparent, of 16 bits, or onto itself",
        "resized with a note; nothing that exists is replaced unasked, and no source ever",
        (
            "tests/style/test_job.py::test_pictures_of_every_kind",
            "tests/style/test_job.py::test_a_picture_that_is_read_is_never_written",
            "tests/style/test_job.py::test_a_size_and_the_note_about_it",
        ),
        "style me.png style.png --out me.png --force",
        2,
        ("me.png is one of the files to read", "choose another name"),
    ),
    37: Case(
        "a batch larger than the data; a last short batch; one that devices cannot share",
        "a clear rule; each example is evaluated once",
        (
            "tests/data/test_batches.py::test_a_batch_larger_than_the_data_is_refused",
            "tests/train/test_epoch.py::test_evaluation_counts_every_example_once",
        ),
        "train --batch-size 5000",
        2,
        ("`batch_size`", r"in \[1, 1258\]", "got 5000"),
    ),
    38: Case(
        "a notebook: the kernel is interrupted, the cell run again",
        "the lock is let go of, no process is left",
        ("tests/test_messages.py::test_in_a_notebook_an_interrupted_cell_runs_again",),
    ),
    39: Case(
        "the clock jumps, the directory changes, paths are relative or have spaces",
        "it works",
        (
            "tests/test_messages.py::test_clock_directory_and_spaces_change_nothing",
            "tests/checkpoint/test_writer.py::test_the_working_directory_may_change",
        ),
    ),
    40: Case(
        "a checkpoint of another version",
        "it loads, or says which version is needed",
        (
            "tests/checkpoint/test_checkpoint.py::test_another_version_is_named",
            "tests/checkpoint/test_checkpoint.py::test_the_first_version_is_named",
        ),
        other_version,
        2,
        ("run/00000003", r"version \d+, and this program reads \d+", "version"),
    ),
}


@pytest.mark.parametrize("number", [n for n, case in CASES.items() if case.provoke is not None])
def test_a_message_says_where_what_and_the_remedy(jaxvision, number):
    case = CASES[number]
    Path("file").write_text("something")
    image("me.png")
    image("style.png")
    if isinstance(case.provoke, str):
        code, _, error = jaxvision(*case.provoke.split())
        line = error.removeprefix("jaxvision: error: ").removesuffix("\n")
    else:
        with pytest.raises(Exception) as caught:  # which one, its exit code says
            case.provoke()
        code, line = explain(caught.value)
    assert "\n" not in line and "Traceback" not in line and "a defect of" not in line
    assert code == case.code, line
    for part in case.says:
        assert re.search(part, line), f"{part!r} is not in {line!r}"


def test_every_case_has_tests_that_exist():
    assert list(CASES) == list(range(1, 41))
    names = {file: _tests_in(ROOT / file) for case in CASES.values() for file in _files_of(case)}
    missing = [
        test
        for case in CASES.values()
        for test in case.tests
        if test.partition("::")[2] not in names[test.partition("::")[0]]
    ]
    assert not missing


def table() -> str:
    """The cases as the page shows them."""
    rows = [
        "| | what happens | what is promised | exit code | proven by |",
        "|---|---|---|---|---|",
    ]
    for number, case in CASES.items():
        code = "" if case.provoke is None else str(case.code)
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in case.tests)
        rows.append(f"| {number} | {case.what} | {case.promise} | {code} | {tests} |")
    return "\n".join(rows) + "\n"


def test_the_page_has_the_table():
    page = PAGE.read_text()
    assert page.count(BEGIN) == page.count(END) == 1
    shown = page.partition(BEGIN)[2].partition(END)[0]
    assert shown == table(), "run python -m tests.test_messages"


def _files_of(case: Case) -> list[str]:
    assert case.tests
    return [test.partition("::")[0] for test in case.tests]


def _tests_in(path: Path) -> set[str]:
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }


def test_clock_directory_and_spaces_change_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "a b" / "é"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    clock = iter(range(10**6, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))  # an hour back each time
    with CheckpointWriter(Path("my run")) as writer:
        writer.save(made_up_progress(1))
        monkeypatch.chdir(tmp_path)
        writer.save(made_up_progress(2))
    restored, refused = restore(folder / "my run")
    assert not refused and bits(restored) == bits(made_up_progress(2))
    assert list(tmp_path.iterdir()) == [tmp_path / "a b"]


TRAIN_CELL = """
from pathlib import Path
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import train
config = TrainConfig(model="softmax_regression", epochs={epochs}, patience=None, out=Path("run"))
train(config, resume="auto", allow_changed=("epochs",))
"""


def answer(client, cell: str, meanwhile: Callable[[], None] = lambda: None) -> dict:
    """What the kernel answers to a cell, after `meanwhile`."""
    # By default a kernel drops what comes in the moment after an error: "run all" shall end there.
    asked = client.execute(cell, stop_on_error=False)
    meanwhile()
    while True:  # answers to what was asked before may yet come
        reply = client.get_shell_msg(timeout=60)
        if reply["parent_header"].get("msg_id") == asked:
            return reply["content"]


def test_in_a_notebook_an_interrupted_cell_runs_again(tmp_path):
    manager = pytest.importorskip("jupyter_client.manager", reason="notebooks extra")
    pytest.importorskip("ipykernel", reason="notebooks extra")
    kernel = manager.KernelManager(kernel_name="python3")
    kernel.start_kernel(cwd=str(tmp_path), env=os.environ | {"PYTHONPATH": str(ROOT)})
    client = kernel.blocking_client()
    client.start_channels()
    metrics = tmp_path / "run" / "metrics.jsonl"

    def interrupt() -> None:
        until = time.monotonic() + 60
        while not (metrics.exists() and metrics.stat().st_size):
            assert time.monotonic() < until, "no epoch was made"
            time.sleep(0.05)
        kernel.interrupt_kernel()

    try:
        client.wait_for_ready(timeout=60)
        reply = answer(client, TRAIN_CELL.format(epochs=100_000), interrupt)
        # The library leaves the signal to Python; the command line has its own way with it.
        assert (reply["status"], reply.get("ename")) == ("error", "KeyboardInterrupt"), reply
        assert not (tmp_path / "run" / ".lock").exists()
        alone = "import psutil; assert not psutil.Process().children(recursive=True)"
        assert answer(client, alone)["status"] == "ok"
        epochs = len(metrics.read_text().splitlines()) + 1
        reply = answer(client, TRAIN_CELL.format(epochs=epochs))
        assert reply["status"] == "ok", reply
        assert (tmp_path / "run" / "result.json").exists()
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2])
