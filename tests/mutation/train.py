"""What `python -m tests.mutation` breaks in `jaxvision.train`: steps, epochs, devices, signals."""

STEP = ["tests/train/test_step.py", "tests/train/test_step_options.py"]
EPOCH = ["tests/train/test_epoch.py", "tests/train/test_fit.py"]
TESTS = {
    "step": STEP,
    "state": [*STEP, "tests/train/test_mesh.py"],
    "epoch": EPOCH,
    "fit": ["tests/train/test_fit.py", "tests/checkpoint/test_every_step.py"],
    "mesh": ["tests/train/test_mesh.py"],
    "watch": ["tests/train/test_watch.py"],
    "display": ["tests/train/test_display.py"],
    "run": ["tests/train/test_run.py"],
    "compilation": ["tests/train/test_compilation.py"],
    "interruption": ["tests/faults/test_signals.py"],
    "processes": ["tests/faults/test_processes.py"],
    "lock": ["tests/train/test_lock.py", "tests/faults/test_lock.py"],
}

MUTANTS = {
    "step": [
        ("jax.random.fold_in(state.key, state.step)", "state.key"),
        ("augment(augment_key, batch)", "augment(state.key, batch)"),
        ("/ jnp.maximum(count, 1)", "/ jnp.sum(batch['mask'])"),
        ("jax.random.fold_in(key, i)", "key"),
        ("jax.tree.map(jnp.add, gradients, new)", "new"),
        (
            "jnp.moveaxis(x.reshape(-1, parts, *x.shape[1:]), 1, 0)",
            "x.reshape(parts, -1, *x.shape[1:])",
        ),
        (
            'all_finite((totals["loss"], gradients, updates, batch_stats))',
            "all_finite((gradients, updates, batch_stats))",
        ),
        (
            'all_finite((totals["loss"], gradients, updates, batch_stats))',
            'all_finite((totals["loss"], updates, batch_stats))',
        ),
        (
            'all_finite((totals["loss"], gradients, updates, batch_stats))',
            'all_finite((totals["loss"], gradients, updates))',
        ),
        (
            "_select(ok, new, state).replace(step=state.step + 1)",
            "_select(ok, new.replace(step=state.step + 1), state)",
        ),
        ("totals = _select(ok, totals, jax.tree.map(jnp.zeros_like, totals))", "pass"),
        (
            "move_average(state.average, new.learning,",
            "move_average(state.average, state.variables,",
        ),
        ("inputs(view(images), batch)", "inputs(images, batch)"),
        ("sums / (1 + len(views))", "sums"),
        ("    if b % parts:\n", "    if False:\n"),
        ("float(total) / count if count else", "float(total) / count if True else"),
    ],
    "state": [
        ("self.learning if self.average is None else self.average.average", "self.variables"),
        ("out_shardings=where", "out_shardings=None"),
    ],
    "epoch": [
        ("if left_out else 0", "if left_out else skipped"),
        ("if skipped >= max_skipped:", "if skipped > max_skipped:"),
        ("first + made - 1)", "made)"),
        ("                    if pause():\n                        return\n", ""),
        ("values[steps.start : steps.stop]", "values[: len(steps)]"),
        ("first, first + count, step,", "0, count, step,"),
        ("not slow_in_loops(self.train_step, state, batch)", "True"),
        ("        observe(0, 0.0)\n", ""),
        ("            if stop():\n                return None\n", ""),
        ("mask=mask: x[mask], some", "mask=mask: x, some"),
        ("sums.get(name, 0.0) + float(value)", "sums.get(name, 0.0) + np.float32(value)"),
    ],
    "fit": [
        ("                progress.steps,\n", "                0,\n"),
        ("skipped=progress.skipped,", "skipped=0,"),
        ("due() or stop()", "stop()"),
        ("due() or stop()", "due()"),
        ("        if stop():\n            return\n", ""),
        ("add_totals(progress.totals, totals)", "add_totals({}, totals)"),
        ("steps=0, totals={})", "steps=0)"),
        ("skipped + 1 if left_out else 0", "0"),
        ("if evaluated is not None:", "if True:"),
        (
            "progress.epoch - progress.best_epoch >= patience",
            "progress.epoch - progress.best_epoch > patience",
        ),
        ("ranked(score(validation)) > ranked(", "ranked(score(validation)) >= ranked("),
        ("-math.inf if math.isnan(x) else float(x)", "float(x)"),
        ('int(progress.totals["skipped"])', "0"),
    ],
    "mesh": [
        ('len(axes) == text.count("=")', "True"),
        ("or min(axes.values()) < 1", ""),
        ("if wanted != found:", "if wanted > found:"),
        ('PartitionSpec(*[None] * longest, "model")', "PartitionSpec()"),
    ],
    "watch": [
        ("self._steps * self.feed.batch_size / seconds", "self._steps / seconds"),
        ("self._waited += waited", "pass"),
        ("            self._seconds += now - self._last\n", "            self._seconds += now\n"),
        ("        self._seconds, self._waited, self._steps = 0.0, 0.0, 0\n", ""),
        ("if waiting >= 0.01", "if True"),
    ],
    "display": [
        ("disable=not console.is_terminal", "disable=False"),
        ("        console.quiet = quiet\n", ""),
        ("completed=completed, ", ""),
        ("advance=steps", "advance=1"),
    ],
    "run": [
        (
            "if path.is_dir() and all(file.name == LOCK for file in path.iterdir()):",
            "if path.is_dir():",
        ),
        ("file.name == LOCK", "False"),
        ("            partial.unlink(missing_ok=True)\n", "            pass\n"),
    ],
    "compilation": [
        (
            '"jax_persistent_cache_min_compile_time_secs", 0.0',
            '"jax_persistent_cache_min_compile_time_secs", 9.0',
        ),
        ("if jax.config.jax_compilation_cache_dir is None:", "if False:"),
    ],
    "interruption": [
        ("if signal_number == signal.SIGINT else signal.SIGTERM", "if False else signal.SIGTERM"),
        ("or not self.unsaved", ""),
        ("self.signal is not None or not self.unsaved", "not self.unsaved"),
        ("signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)", "signal.SIGINT, signal.SIGTERM)"),
    ],
    "processes": [
        ("jax.process_index() == 0", "True"),
        ("and jax.process_count() > 1", "and False"),
        ("int(high) * 2**31 + int(low)", "int(low)"),
        (
            "return np.asarray(multihost_utils.process_allgather(np.int32(number)))",
            "return np.array([number])",
        ),
    ],
    "lock": [
        (" | fcntl.LOCK_NB", ""),
        ("fcntl.LOCK_EX", "fcntl.LOCK_SH"),
        ("if _is_current(descriptor, path / LOCK):", "if True:"),
        ("                _sign(descriptor)\n", ""),
        ("            (path / LOCK).unlink()\n", "            pass\n"),
        ("os.register_at_fork(after_in_child=_let_go)", ""),
        ("        if error.errno not in UNSUPPORTED:\n", "        if False:\n"),
        ("(pid, host) == (os.getpid(), socket.gethostname())", "True"),
        ("        os.close(descriptor)\n\n\ndef _open", "        pass\n\n\ndef _open"),
        ("except (ValueError, KeyError, TypeError):", "except ValueError:"),
    ],
}
