"""What `python -m tests.mutation` breaks in `jaxvision.detection`: how good what was found is."""

TESTS = {
    "detections": ["tests/detection/test_voc_precision.py", "tests/detection/test_errors.py"],
    "voc_precision": ["tests/detection/test_voc_precision.py"],
    "average_precision": ["tests/detection/test_average_precision.py"],
    "errors": ["tests/detection/test_errors.py"],
}

MUTANTS = {
    "detections": [
        ("np.maximum(sides, 0)", "sides"),
        ("[None] - shared", "[None]"),
        ("np.where(union > 0, union, 1)", "union"),
        ("_areas(boxes)[:, None]\n", "_areas(others)[None]\n"),
        ("if len(truth) != len(found):", "if False:"),
        ("image.scores[:-1] >= image.scores[1:]", "image.scores[:-1] == image.scores[:-1]"),
        (" or np.isnan(image.scores).any()", ""),
        ("labels.max() < classes", "labels.max() <= classes"),
    ],
    "voc_precision": [
        ("np.max(overlap, axis=1) >= iou", "np.max(overlap, axis=1) > iou"),
        ("right &= has_one & ~difficult", "right &= has_one"),
        ("(has_one & difficult) | in_crowd", "in_crowd"),
        (" & ~objects.crowd[None], overlaps", ", overlaps"),
        ("own & objects.crowd[None] &", "objects.crowd[None] &"),
        ("np.maximum.accumulate(curve.precision[::-1])[::-1]", "curve.precision"),
        ("np.arange(11) / 10", "np.linspace(0, 1, 11)"),
        ("scores[1:] != scores[:-1]", "scores[1:] == scores[1:]"),
        ("~(image.difficult | image.crowd)", "~image.crowd"),
        ("by_class[~np.isnan(by_class)]", "np.nan_to_num(by_class)"),
    ],
    "average_precision": [
        ("by_class[:, 5]", "by_class[:, 4]"),
        ("enumerate(_SIZES, 1)", "enumerate(_SIZES)"),
        ('"iscrowd": excused', '"iscrowd": objects.crowd'),
        ('entry["crowd"] for', 'entry["iscrowd"] for'),
        ("objects.difficult | objects.crowd", "objects.crowd"),
        ('"id": i + 1', '"id": i'),
        ("values[values > -1]", "values"),
        ("with contextlib.redirect_stdout(io.StringIO()):", "if True:"),
        ("(1, 10, 100)", "(10, 100, 1)"),
    ],
    "errors": [
        ("image.scores >= score", "image.scores > score"),
        ("own_most >= LEAST_OVERLAP", "own_most > LEAST_OVERLAP"),
        ("            own_most >= iou,\n", "            own_most > iou,\n"),
        ("other_most >= iou", "other_most > iou"),
        ("[RIGHT, LOCATION, CLASS]", "[RIGHT, CLASS]"),
        ("_only(image, ~ignored), right[~ignored]", "image, right"),
        ('speaking[np.argsort(kinds[speaking], kind="stable")]', "speaking"),
        ("speaking[to_find[about[speaking]]]", "speaking"),
        ("np.where(objects.crowd[None], 0, overlaps(found.boxes, objects.boxes))",
         "overlaps(found.boxes, objects.boxes)"),
    ],
}  # fmt: skip
