"""What `python -m tests.mutation` breaks in `jaxvision.inspect`: of detections, and of shifts."""

BOXES = ["tests/inspect/test_boxes.py"]
CURVES = ["tests/inspect/test_precision_recall.py"]
TESTS = {
    "boxes": BOXES,
    "labels": BOXES,
    "precision_recall": CURVES,
    "detection_errors": CURVES,
    "shifts": ["tests/inspect/test_shifts.py"],
}

MUTANTS = {
    "boxes": [
        ("SHARP // max(image.shape[:2])", "SHARP // min(image.shape[:2])"),
        ("np.rint(boxes * factor)", "np.rint(boxes)"),
        ("<= CROWD:", "<= 99:"),
        ("if len(set(map(_color, labels))) == len(labels)", "if True"),
        ("max(2, round(side / LINE)), max", "2, max"),
        ("max(14, round(side / LETTER))", "14"),
        ("right - 1, bottom - 1), outline=color", "right, bottom), outline=color"),
        ("int(label) % len(BOX_COLORS)", "int(label > 0)"),
        ("    for i in reversed(range(len(boxes))):\n        left, top, right, bottom = corners",
         "    for i in range(len(boxes)):\n        left, top, right, bottom = corners"),
        ('"-" if is_found', '"--" if is_found'),
        ("tile * np.array(image.shape[1::-1]) / max(image.shape[:2])",
         "tile * np.ones(2)"),
    ],
    "labels": [
        ("np.clip(places, 0, np.maximum(np.subtract(bounds, size), 0))", "places"),
        ("places[np.argmin(cost)]", "places[0]"),
        ("under + above if below else above + under", "above + under"),
        ("cost += 1e-3 *", "cost += 1e+3 *"),
        ("cost += 1e-3 *", "cost += 0 *"),
        ("min(len(name), 2) - 1, -1", "0, -1"),
        ("width_of(text) <= room", "width_of(text) < room"),
        ("np.maximum(high - low, 0)", "(high - low)"),
    ],
    "precision_recall": [
        ("np.maximum.accumulate(np.append(precision, 0)[::-1])[::-1]", "np.append(precision, 0)"),
        ('where="pre"', 'where="post"'),
        ("np.argsort(-average_precision[measured]", "np.argsort(average_precision[measured]"),
        ("order // len(COLORS)", "0"),
        ("max(3.8, 0.2 * (len(named) + 1 + bool(others)))", "3.8"),
        ("(lines[i], entries[i]) for i in named", "(lines[i], entries[i]) for i in named[::-1]"),
        ("classes - len(measured)", "0"),
        ("shown.insert(MOST // 2,", "shown.insert(0,"),
    ],
    "detection_errors": [
        ("left=start, height", "height"),
        ("start += of_kind", "start = of_kind"),
        ("np.argsort(-errors", "np.argsort(errors"),
        ('if kind != "right"]\n', "]\n"),
        ("axes.set_ylim(rows - 0.5, -0.5)", "axes.set_ylim(-0.5, rows - 0.5)"),
        ("counts[kind][list(shown)]", "counts[kind][: len(names)]"),
        ("max(1, start.max())", "start.max()"),
        (" + numbers + 0.4 + beside + 4.5", " + 4.5"),
    ],
    "shifts": [
        ("range(1, largest + 1)", "range(largest)"),
        ("100 * share, ", "share, "),
        ("average_pool(x, window, window), window)", "average_pool(x, window, window), 1)"),
        ("average_pool(x, window, window), w", "max_pool(x, window, window), w"),
        ("(_edges, 1)", "(_edges, 2)"),
        ("[1, 0, -1]", "[1, 0, 1]"),
        ("moved = shift // stride", "moved = -(-shift // stride)"),
        ("image.shape[1] - largest", "image.shape[1] - shift"),
        ("2 * largest + max(3, window)", "2 * largest"),
    ],
}  # fmt: skip
