"""Lives of a process that does nothing but save checkpoints, each ended by kill -9.

    python -m tests.faults.nursery FOLDER KILLS SEED

Each life is a fork of this process, which has imported everything and started nothing: no device
and no thread, which a fork would not survive. A life first restores what the last one has left and
says which step that is; then it saves one step after the other, and says so after each. The kill
comes at a random moment after that, or, for every other pair of lives, after the first save. Prints
what was seen, as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from jaxvision.checkpoint.checkpoint import restore_checkpoint, save_checkpoint
from jaxvision.train.fit import Progress
from jaxvision.train.state import TrainState

LONGEST = 0.12  # seconds; a save takes half of it
SLOW = 0.001  # seconds a file, in every other life, so that the kill finds it deleting


def progress_at(step: int) -> Progress:
    """NumPy arrays only, as they are after being copied from a device; `step` decides them."""
    rng = np.random.default_rng(step)
    params = {f"layer{i}": rng.standard_normal((40, 1 + i), np.float32) for i in range(8)}
    state = TrainState(
        step=np.asarray(step, np.int32),
        params=params,
        batch_stats={},
        opt_state=(rng.standard_normal(3000),),
        key=np.array([0, step], np.uint32),
    )
    return Progress(state=state, best=params, totals={"loss": float(rng.random())})


def is_right(progress: Progress) -> bool:
    expected = progress_at(int(progress.state.step))
    pairs = zip(_leaves(progress), _leaves(expected), strict=True)
    return progress.totals == expected.totals and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs
    )


def _leaves(progress: Progress) -> list[np.ndarray]:
    state = progress.state
    return [
        state.step,
        state.key,
        *state.opt_state,
        *state.params.values(),
        *progress.best.values(),
    ]


def live(folder: Path, out: int, *, slow: bool) -> None:
    restored, refused = restore_checkpoint(folder, progress_at(0))
    step = int(restored.state.step) if restored else 0
    wrong = restored is not None and not is_right(restored)
    os.write(out, f"ready {step} {len(refused)} {int(wrong)}\n".encode())
    if slow:
        unlink = os.unlink
        os.unlink = lambda *a, **k: (time.sleep(SLOW), unlink(*a, **k))
    while True:
        step += 1
        save_checkpoint(folder, progress_at(step))
        os.write(out, f"saved {step}\n".encode())


def fork(folder: Path, *, slow: bool):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            live(folder, writer, slow=slow)
        except BaseException as error:
            os.write(writer, f"failed {type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os.close(writer)
    return child, os.fdopen(reader)


def main(folder: Path, kills: int, seed: int) -> dict[str, int]:
    moments = random.Random(seed)
    seen = dict.fromkeys(("kills", "saved", "writing", "deleting", "lost", "refused", "wrong"), 0)
    acknowledged = 0
    for life in range(kills + 1):
        child, lines = fork(folder, slow=bool(life % 2))
        word, *numbers = lines.readline().split()
        if word != "ready":
            raise SystemExit(f"life {life} could not restore: {' '.join(numbers)}")
        step, refused, wrong = map(int, numbers)
        seen["lost"] += step < acknowledged
        seen["refused"] += refused
        seen["wrong"] += wrong
        if life < kills:
            if life % 4 >= 2:
                acknowledged = int(lines.readline().removeprefix("saved "))
                seen["saved"] += 1
            time.sleep(moments.uniform(0, LONGEST))
            seen["kills"] += 1
        os.kill(child, signal.SIGKILL)
        for line in lines:
            word, number = line.split()[:2]
            if word != "saved":
                raise SystemExit(f"life {life}: {line}")
            acknowledged = int(number)
            seen["saved"] += 1
        os.waitpid(child, 0)
        lines.close()
        seen["writing"] += any(folder.glob(".writing-*"))
        seen["deleting"] += any(folder.glob(".deleting-*"))
    return seen


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
