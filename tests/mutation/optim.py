"""What `python -m tests.mutation` breaks in `jaxvision.optim`."""


def _first_order(rows: str) -> list[str]:
    """The tests of the first-order optimizers; of the contracts, the rows that hold a name."""
    files = ("test_first_steps", "test_momentum", "test_adaptive", "test_contracts")
    return [
        *(f"tests/optim/{name}.py" for name in files),
        "-k",
        " or ".join([*files[:-1], rows]),
    ]


MINIMISERS = [
    "tests/optim/test_quasi_newton.py",
    "tests/optim/test_line_search.py",
    "tests/optim/test_minimize_ends.py",
    "tests/optim/test_minimize.py",
]
TESTS = {
    "base": _first_order("adam"),
    "momentum": _first_order("momentum or heavy_ball"),
    "nesterov": _first_order("nesterov"),
    "adagrad": _first_order("adagrad"),
    "rmsprop": _first_order("rmsprop"),
    "adadelta": _first_order("adadelta"),
    "adam": _first_order("adam"),
    "adamw": _first_order("adamw"),
    "nadam": _first_order("nadam"),
    "adamax": _first_order("adamax"),
    "masks": ["tests/optim/test_masks.py"],
    "regularize": ["tests/optim/test_regularize.py", "tests/optim/test_chain_parts.py"],
    "proximal": ["tests/optim/test_proximal.py", "tests/optim/test_chain_parts.py"],
    "clipping": ["tests/optim/test_clipping.py", "tests/optim/test_chain_parts.py"],
    "delayed": ["tests/optim/test_delayed.py", "tests/optim/test_chain_parts.py"],
    "ema": ["tests/optim/test_ema.py", "tests/optim/test_chain_parts.py"],
    "schedules": ["tests/optim/test_schedules.py"],
    "plateau": ["tests/optim/test_plateau.py"],
    "alrao": ["tests/optim/test_alrao.py"],
    "alrao_head": ["tests/optim/test_alrao_head.py"],
    "model_averaging": ["tests/optim/test_model_averaging.py"],
    "line_search": MINIMISERS,
    "descent": MINIMISERS,
    "lbfgs": MINIMISERS,
    "bfgs": MINIMISERS,
    "gradient_descent": MINIMISERS,
    "minimize": MINIMISERS,
}

MUTANTS = {
    "base": [
        ("lambda u: -rate * u", "lambda u: rate * u"),
        ("learning_rate(state.count)", "learning_rate(state.count + 1)"),
        ("count=state.count + 1", "count=state.count"),
        (".astype(x.dtype)", ""),
        ("if not isinstance(state, State)", "if False"),
        ("        check_floating(params)\n", ""),
        ("len(state) != len(transformations)", "False"),
        ("-jnp.expm1(t * jnp.log(decay))", "1 - decay**t"),
        ("return -jnp.expm1(t * log_decay)", "return 1 - jnp.float32(decay) ** t"),
        ("if decay > 0 else -math.inf", "if decay > 0 else 0.0"),
    ],
    "momentum": [
        ("decay * v + u", "decay * (v + u)"),
        ("decay * v + u", "decay * v + (1 - decay) * u"),
        ("a * u + (1 - a) * v", "a * v + (1 - a) * u"),
        ("a * u + (1 - a) * v", "u + (1 - a) * v"),
        (
            "chain(descend(learning_rate), accumulate(gamma))",
            "chain(accumulate(gamma), descend(learning_rate))",
        ),
        (
            "chain(accumulate(beta), descend(learning_rate))",
            "chain(descend(learning_rate), accumulate(beta))",
        ),
        (
            "chain(average(a), descend(learning_rate))",
            "chain(descend(learning_rate), average(a))",
        ),
        ('require("gamma", gamma, "[0, 1)")', ""),
        ('require("a", a, "(0, 1]")', ""),
    ],
    "nesterov": [
        ("mu * lead + mu * u", "mu * lead + u"),
        ("mu * lead + mu * u", "mu * (lead - u)"),
        ("lambda u, lead: u + lead", "lambda u, lead: lead"),
        ("lambda u, lead: u + lead", "lambda u, lead: u - lead"),
        (
            "chain(descend(learning_rate), accumulate_ahead(mu))",
            "chain(accumulate_ahead(mu), descend(learning_rate))",
        ),
        ("lambda phi, lead: phi - lead", "lambda phi, lead: phi + lead"),
        ("if len(found) != 1", "if False"),
        ('require("mu", mu, "[0, 1)")', ""),
    ],
    "adagrad": [
        ("G + g**2", "g**2"),
        ("G + g**2", "G + jnp.abs(g)"),
        ("jnp.sqrt(G + eps)", "(jnp.sqrt(G) + eps)"),
        ("jnp.sqrt(G + eps)", "(G + eps)"),
        ("g / jnp.sqrt(G + eps), updates, G)", "g / jnp.sqrt(G + eps), updates, state.G)"),
        ("jnp.full_like(w, initial)", "jnp.zeros_like(w)"),
        ('require("initial", initial, "[0, inf)")', ""),
        (
            "eps: Scalar = 1e-10, initial: Scalar = 0.0) ->",
            "eps: Scalar = 1e-3, initial: Scalar = 0.0) ->",
        ),
    ],
    "rmsprop": [
        ("g / jnp.sqrt(E + eps)", "g / (jnp.sqrt(E) + eps)"),
        ("g / jnp.sqrt(E + eps), updates, E)", "g / jnp.sqrt(E + eps), updates, state.E)"),
        ("jnp.maximum(E - m**2, 0)", "E"),
        ("jnp.maximum(E - m**2, 0)", "(E - m**2)"),
        ("jnp.maximum(E - m**2, 0)", "jnp.maximum(E - m, 0)"),
        ("rho * m + (1 - rho) * g", "rho * m + g"),
        (
            "chain(direction, descend(learning_rate), accumulate(momentum))",
            "chain(direction, accumulate(momentum), descend(learning_rate))",
        ),
        ("if momentum is None:", "if True:"),
    ],
    "adadelta": [
        ("(D + eps) / (E + eps)", "D / (E + eps) + eps"),
        ("(D + eps) / (E + eps)", "(E + eps) / (D + eps)"),
        ("updates, state.D, E\n", "updates, state.D, state.E\n"),
        ("jnp.sqrt((D + eps) / (E + eps))", "((D + eps) / (E + eps))"),
        ("(1 - rho) * u**2, state.D", "u**2, state.D"),
        ("rho * E + (1 - rho) * g**2", "(1 - rho) * E + rho * g**2"),
    ],
    "adam": [
        (
            "m / c1 / (jnp.sqrt(v / c2 + eps_root) + eps)",
            "m / c1 / jnp.sqrt(v / c2 + eps_root + eps)",
        ),
        ("m / c1 / (jnp.sqrt(v / c2", "m / (jnp.sqrt(v / c2"),
        ("m / c1 / (jnp.sqrt(v / c2", "m / c1 / (jnp.sqrt(v"),
        (
            "c1, c2 = one_minus_power(b1, t), one_minus_power(b2, t)",
            "c2, c1 = one_minus_power(b1, t), one_minus_power(b2, t)",
        ),
        ("jnp.sqrt(v / c2 + eps_root)", "(v / c2 + eps_root)"),
        ("jnp.sqrt(v / c2 + eps_root)", "jnp.sqrt(v / c2)"),
        ("t = state.count + 1", "t = state.count + 2"),
        ("ScaleByAdamState(count=t,", "ScaleByAdamState(count=state.count,"),
        ("m / jnp.sqrt(v + eps)", "m / (jnp.sqrt(v) + eps)"),
        (
            "scale_by_adam(b1, b2, eps, eps_root), descend",
            "scale_by_adam(b2, b1, eps, eps_root), descend",
        ),
        (
            "scale_by_adam(b1, b2, eps, eps_root), descend",
            "scale_by_adam(b1, b2, eps_root, eps), descend",
        ),
        ('    require("eps_root", eps_root, "[0, inf)")\n', ""),
    ],
    "adamw": [
        (
            "l2(weight_decay, mask), descend(learning_rate)",
            "descend(learning_rate), l2(weight_decay, mask)",
        ),
        (
            "scale_by_adam(b1, b2, eps, eps_root), l2(weight_decay, mask)",
            "l2(weight_decay, mask), scale_by_adam(b1, b2, eps, eps_root)",
        ),
        ("l2(weight_decay, mask)", "l2(-weight_decay, mask)"),
        ("l2(weight_decay, mask)", "l2(weight_decay)"),
        ("import Mask, kernels", "import Mask, everything as kernels"),
    ],
    "nadam": [
        ("one_minus_power(b1, t + 1)", "one_minus_power(b1, t)"),
        ("(1 - b1) / one_minus_power(b1, t)", "(1 - b1) / one_minus_power(b1, t + 1)"),
        ("b1 / one_minus_power(b1, t + 1)", "1 / one_minus_power(b1, t + 1)"),
        ("from_mean * m + from_newest * g", "from_mean * m"),
        ("jnp.sqrt(v / c2) + eps", "jnp.sqrt(v) + eps"),
        ("(jnp.sqrt(v / c2) + eps)", "jnp.sqrt(v / c2 + eps)"),
        ("b1 * m + (1 - b1) * g", "b1 * m + g"),
        ("b2 * v + (1 - b2) * g**2", "b2 * v + (1 - b2) * g"),
        ('    require("b1", b1, "[0, 1)")\n', ""),
    ],
    "adamax": [
        ("jnp.maximum(b2 * v, jnp.abs(g) + eps)", "jnp.maximum(b2 * v, jnp.abs(g))"),
        ("jnp.maximum(b2 * v, jnp.abs(g) + eps)", "jnp.maximum(b2 * v, g + eps)"),
        ("jnp.maximum(b2 * v, jnp.abs(g) + eps)", "jnp.maximum(v, jnp.abs(g) + eps)"),
        ("jnp.maximum(b2 * v, jnp.abs(g) + eps)", "jnp.minimum(b2 * v, jnp.abs(g) + eps)"),
        ("m / c1 / v", "m / v"),
        ("m / c1 / v", "m / c1 / jnp.sqrt(v)"),
        ("one_minus_power(b1, t)", "one_minus_power(b2, t)"),
        ("b1 * m + (1 - b1) * g", "b2 * m + (1 - b2) * g"),
        ('    require("b2", b2, "[0, 1)")\n', ""),
    ],
    "masks": [
        ('name.split("/")[-1] == "kernel"', 'name.endswith("kernel")'),
        ("if choices and not any(choices):", "if choices and not all(choices):"),
        ("jax.tree.map(lambda _: bool(choice), branch)", "bool(choice)"),
    ],
    "regularize": [
        ("u + penalty * w", "u + 2 * penalty * w"),
        ("u - tau * w", "u + tau * w"),
        ("u + penalty * jnp.sign(w)", "u + penalty * jnp.where(w >= 0, 1, -1)"),
        ("if chosen else u,", "if not chosen else u,"),
        ("s(state.count) if callable(s)", "s(state.count + 1) if callable(s)"),
    ],
    "proximal": [
        ("- learning_rate * penalty, 0) - w", "- penalty, 0) - w"),
        ("jnp.sign(x) * jnp.maximum", "jnp.sign(w) * jnp.maximum"),
        ("tuple(range(x.ndim - 1))", "None"),
        ("x = (w + u).astype", "x = w.astype"),
    ],
    "clipping": [
        ("over = (norm > limit) & (norm < jnp.inf)", "over = norm > limit"),
        ("jnp.promote_types(g.dtype, jnp.float32)", "g.dtype"),
        ("optax.masked(inner, partial(resolve, mask))", "optax.masked(inner, True)"),
    ],
    "delayed": [
        ("count >= start", "count > start"),
    ],
    "ema": [
        ("(1 - decay) / one_minus_power(decay, t)", "(1 - decay)"),
        ("a + weight * (w - a)", "(1 - weight) * a + weight * w"),
        ("optax.apply_updates(params, updates)", "params"),
        ("copy=True", "copy=False"),
    ],
    "schedules": [
        ("jnp.float32(count // every))", "jnp.floor(jnp.float32(count) / every))"),
        (
            "_power(factor, jnp.float32(count) / every)",
            "_power(factor, jnp.float32(count + 1) / every)",
        ),
        (
            "initial / (1 + decay * jnp.float32(count))",
            "initial / (1 + decay * jnp.float32(count + 1))",
        ),
        (
            "        left = _left(count, steps) ** power",
            "        left = (1 - _over(count, steps)) ** power",
        ),
        ("over = jnp.sin(jnp.pi / 2 * _over(count, steps)) ** 2", "over = 1 - left"),
        ("jnp.minimum(count, steps) + 1) / (steps + 1)", "jnp.minimum(count + 1, steps)) / steps"),
        ("climbed * then(jnp.maximum(count - steps, 0))", "climbed * then(count - steps)"),
        ("steps - steps * 7 // 10 if", "steps * 3 // 10 if"),
        ("count < boundary, rate", "count <= boundary, rate"),
        ("later <= earlier", "later < earlier"),
        ("jnp.float32(jnp.minimum(count, steps)) / steps", "jnp.float32(count) / steps"),
        ("else math.log(factor)", "else jnp.log(jnp.float32(factor))"),
    ],
    "plateau": [
        ("* jnp.sign(state.best))", ")"),
        ("value < state.best * (1", "value <= state.best * (1"),
        ("best = jnp.where(improved, value, state.best)", "best = jnp.minimum(value, state.best)"),
        ("jnp.where(improved | rests, 0, state.bad + 1)", "jnp.where(improved, 0, state.bad + 1)"),
        ("bad > state.patience", "bad >= state.patience"),
        ("jnp.maximum(state.scale * state.factor, state.min_scale)", "state.scale * state.factor"),
        ("bad=jnp.where(reduces, 0, bad)", "bad=bad"),
        ("state.resting - rests)", "state.resting)"),
    ],
    "alrao": [
        (
            "zlib.crc32(jax.tree_util.keystr(path[:-1]).encode())",
            "zlib.crc32(jax.tree_util.keystr(path).encode())",
        ),
        ("(1,) * (jnp.ndim(parameter) - 1) + jnp.shape(parameter)[-1:]", "jnp.shape(parameter)"),
        (
            "jnp.exp((1 - fraction) * jnp.log(eta_min) + fraction * jnp.log(eta_max))",
            "(1 - fraction) * eta_min + fraction * eta_max",
        ),
        (
            "return jnp.clip(rates, eta_min, eta_max).astype(jnp.float32)",
            "return rates.astype(jnp.float32)",
        ),
        ("if not traced and eta_min > eta_max:", "if not traced and eta_min < eta_max:"),
        ("jax.random.fold_in(key, layer)", "jax.random.fold_in(jax.random.key(0), layer)"),
    ],
    "alrao_head": [
        (
            "log_a = jnp.where(usable, log_weights[:, None], -jnp.inf)",
            "log_a = jnp.broadcast_to(log_weights[:, None], usable.shape)",
        ),
        ("return log_sum - jax.nn.logsumexp(log_a, axis=0)[:, None]", "return log_sum"),
        (
            "mixture_log_probabilities(stop(heads), stop(log_weights), features)",
            "mixture_log_probabilities(heads, stop(log_weights), features)",
        ),
        ("_log_probabilities(heads, stop(features))", "_log_probabilities(heads, features)"),
        ("jnp.where(usable, log_p - stop(log_p), 0)", "jnp.where(usable, log_p, 0)"),
        ("jnp.sum(log_p, axis=1) / jnp.maximum(jnp.sum(mask), 1)", "jnp.mean(log_p, axis=1)"),
        (
            'kernel = jnp.where(finite[:, None, None], heads["kernel"], 0)',
            'kernel = heads["kernel"]',
        ),
        ("usable = finite[:, None] & jnp.isfinite(spread)", "usable = jnp.isfinite(spread)"),
    ],
    "model_averaging": [
        (
            "return jax.nn.log_softmax(log_weights + log_likelihoods)",
            "return jax.nn.log_softmax(log_likelihoods)",
        ),
        (
            "log_pi, log_stay = -jnp.log1p(t), -jnp.log1p(1 / t)",
            "log_pi, log_stay = -jnp.log(1.0 * t), -jnp.log1p(1 / t)",
        ),
        (
            "log_stays = jnp.stack([log_stay + log_r, log_s])",
            "log_stays = jnp.stack([log_r, log_stay + log_s])",
        ),
        ("jax.nn.logsumexp(log_r) - math.log", "jax.nn.logsumexp(state.log_joint[0]) - math.log"),
    ],
    "line_search": [
        ("C1, C2 = 1e-4, 0.9", "C1, C2 = 1e-4, 0.95"),
        ("ROUND_OFF = 10 ", "ROUND_OFF = 0 "),
        ("jnp.isfinite(new.value) & (new.value <= ceiling)", "new.value <= ceiling"),
        ("turned = new.slope * (high.step - low.step) >= 0", "turned = new.slope >= 0"),
        ("accepted=fell & flat", "accepted=flat"),
        (
            "        exhausted=(trials >= MAX_TRIALS) | uphill |",
            "        exhausted=(trials >= MAX_TRIALS) |",
        ),
        ("jnp.clip(factor, 2, 10)", "jnp.clip(factor, 1, 10)"),
        ("b.slope - 3 * (b.value - a.value) / width", "b.slope - 2 * (b.value - a.value) / width"),
    ],
    "descent": [
        (
            "failed=(stuck & (state.pairs == 0)) | (idle >= PATIENCE)",
            "failed=stuck & (state.pairs == 0)",
        ),
        ("keep = moved & (dot(s, y) > least)", "keep = moved"),
    ],
    "lbfgs": [
        ("i = (pairs - 1 - k) % len(rho)", "i = (pairs - kept + k) % len(rho)"),
        ("i = (pairs - kept + k) % len(rho)", "i = (pairs - 1 - k) % len(rho)"),
        ("kept = jnp.minimum(pairs, len(rho))", "kept = len(rho)"),
        ("jnp.where(pairs > 0, gamma, 1) * q", "q"),
        ("(alpha[i] - beta) * s[i]", "(alpha[i] + beta) * s[i]"),
        ("ring.at[i].set(jnp.where(keep, row, ring[i]))", "ring.at[i].set(row)"),
    ],
    "bfgs": [
        ("rho * (1 + rho * dot(y, Hy)) * ss", "rho * ss"),
        ("jnp.eye(s.size, dtype=s.dtype) / (rho * dot(y, y))", "jnp.eye(s.size, dtype=s.dtype)"),
        ("return jnp.where(keep, corrected, H)", "return corrected"),
        ("rho * (sHy + sHy.T)", "2 * rho * sHy"),
    ],
    "gradient_descent": [
        ("further = point.x - (", "further = point.x + ("),
        ("lambda new, old: jnp.where(finite, new, old)", "lambda new, old: new"),
        ("jnp.where(keep, dot(s, y) / dot(y, y), gamma)", "gamma"),
    ],
    "minimize": [
        ("jnp.where(jnp.isfinite(norm), value, jnp.nan)", "value"),
        ("step.point.gradient_norm <= tolerance", "trial.gradient_norm < tolerance"),
        (
            "iterations=state.iterations + (step.moved & x0_is_known)",
            "iterations=state.iterations + step.moved",
        ),
        ("last = state.iterations + steps", "last = steps"),
        ("step.failed & ~jnp.isfinite(trial.value)", "step.failed & jnp.isnan(point.value)"),
        (
            "(state.reason == Reason.ITERATION_LIMIT.value) & (state.iterations < last)",
            "state.iterations < last",
        ),
        ("    if form(memory) != form(expected):", "    if form(memory)[0] != form(expected)[0]:"),
    ],
}
