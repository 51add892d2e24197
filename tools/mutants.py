"""Changes the mathematics and sees whether a test notices: ``python -m tools.mutants``.

Cosmic Ray makes the mutants of the losses and of the spike-and-slab distribution: one operator turned into
its opposite, one sign, number, comparison, condition or default changed at a time. A mutant is killed when a
test of its module fails; survivors are printed with their line. ``--sample N`` takes N of them at random,
``--part K/M`` the K-th of M parts. With ``--results FILE`` a run goes on where another stopped: what was
killed stays killed, survivors are tried again when nothing else is left.

Each mutant is tried in a process forked from one that has imported everything but our package. Tests that
have killed a mutant of the same function are run first, then the quickest.
"""

import argparse
import ast
import contextlib
import difflib
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_EVERY = "tests/losses/test_every_loss.py"
TESTS = {
    "vsc_jax/losses/likelihood.py": ["tests/losses/test_likelihood.py", _EVERY],
    "vsc_jax/losses/kl.py": ["tests/losses/test_kl.py", "tests/losses/test_bounds.py", _EVERY],
    "vsc_jax/losses/bounds.py": ["tests/losses/test_bounds.py", _EVERY],
    "vsc_jax/losses/_arrays.py": ["tests/losses"],
    "vsc_jax/spike_slab.py": ["tests/test_spike_slab.py", _EVERY],
}
_OPERATORS = (
    *("ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add", "ReplaceBinaryOperator_Mul_Div"),
    *("ReplaceBinaryOperator_Div_Mul", "ReplaceBinaryOperator_Pow_Mul", "ReplaceUnaryOperator_Delete_USub"),
    *("ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Eq_NotEq"),
    *("ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_Gt_Lt"),
    *("ReplaceComparisonOperator_GtE_Gt", "ReplaceComparisonOperator_Lt_LtE"),
    *("ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is"),
    *("NumberReplacer", "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceUnaryOperator_Delete_Not"),
)
_TIME_LIMIT = 600.0
_PRELOADED = [
    "jax",
    "flax.nnx",
    "optax",
    "numpyro.distributions",
    "hypothesis",
    "scipy.stats",
    "scipy.special",
    "pytest",
    "beartype",
    "chex",
]


class Mutant(NamedTuple):
    """A module with one change."""

    module: str
    operator: str
    code: str


def mutants() -> Iterator[Mutant]:
    """Every mutant of every module."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    for module in TESTS:
        code = (ROOT / module).read_text()
        for operator in _OPERATORS:
            made = get_operator(f"core/{operator}")()
            for occurrence in itertools.count():
                if (changed := mutate_code(code, made, occurrence)) is None:
                    break
                if _without_words(changed) not in (None, _without_words(code)):
                    yield Mutant(module, operator, changed)


def _without_words(code: str) -> str | None:
    """What runs, for annotations are not what the tests are for; None if nothing does."""

    class Bare(ast.NodeTransformer):
        def visit_arg(self, node: ast.arg) -> ast.arg:
            node.annotation = None
            return node

        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            node.returns = None
            return self.generic_visit(node)

        def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
            node.annotation = ast.Constant(None)
            return self.generic_visit(node)

    with contextlib.suppress(SyntaxError):
        return ast.dump(Bare().visit(ast.parse(code)))
    return None


def change(mutant: Mutant) -> str:
    """The changed lines, old and new."""
    before = (ROOT / mutant.module).read_text().splitlines()
    lines = difflib.unified_diff(before, mutant.code.splitlines(), n=0, lineterm="")
    old_and_new = [line for line in lines if line[0] in "-+" and line[:3] not in ("---", "+++")]
    return "  ".join(" ".join(line.split()) for line in old_and_new)


def place(mutant: Mutant) -> str:
    """The function that the change is in."""

    def changed(old: ast.AST, new: ast.AST, name: str) -> str:
        for one, other in zip(ast.iter_child_nodes(old), ast.iter_child_nodes(new), strict=False):
            if isinstance(one, ast.FunctionDef | ast.ClassDef) and ast.dump(one) != ast.dump(other):
                return changed(one, other, one.name)
        return name

    return changed(ast.parse((ROOT / mutant.module).read_text()), ast.parse(mutant.code), "")


class End(NamedTuple):
    """What killed a mutant, None for a survivor, and the seconds of every test that was run."""

    killer: str | None
    seconds: dict[str, float]


class Order:
    """Which tests come first: those that killed mutants of the same function, then the quickest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.kills: Counter[tuple[str, str]] = Counter()

    def learn(self, mutant: Mutant, end: End) -> None:
        """A test that killed a mutant will kill others."""
        self.seconds = end.seconds | self.seconds
        if end.killer is not None:
            self.kills[place(mutant), end.killer] += 1

    def of(self, mutant: Mutant, tests: Iterable[str]) -> list[str]:
        """The tests in the order in which they are run."""
        where = place(mutant)

        def rank(test: str) -> tuple[bool, float]:
            seconds, kills = self.seconds.get(test, 0.0), self.kills[where, test]
            return not kills, seconds / max(kills, 1)

        return sorted(tests, key=rank)


class _Watch:
    """A pytest plugin that puts the tests into their order and sees how they end."""

    def __init__(self, mutant: Mutant, order: Order) -> None:
        self.mutant, self.order = mutant, order
        self.seconds: dict[str, float] = {}
        self.killer: str | None = None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        order = self.order.of(self.mutant, [item.nodeid for item in items])
        items.sort(key=lambda item: order.index(item.nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            self.seconds[report.nodeid] = round(report.duration, 2)
        if report.failed:
            self.killer = report.nodeid


def _try(mutant: Mutant, order: Order, folder: str, compiled: str, answer: Connection) -> None:
    """Run the module's tests on the mutant and send how that ends."""
    import jax
    import pytest

    # Programs that the change does not touch are compiled once for all mutants; the tests too keep to this.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = compiled
    jax.config.update("jax_compilation_cache_dir", compiled)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.02)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    package = Path(folder) / "vsc_jax"
    shutil.copytree(ROOT / "vsc_jax", package, ignore=shutil.ignore_patterns("__pycache__"))
    (Path(folder) / mutant.module).write_text(mutant.code)
    os.chdir(ROOT)
    sys.path[:] = [folder, *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    sys.dont_write_bytecode = True
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", f"pythonpath={folder}"]
    watch = _Watch(mutant, order)
    code = pytest.main([*options, *TESTS[mutant.module]], plugins=[watch])
    # A package that cannot be imported fails before any test.
    answer.send(End(watch.killer or ("collection" if code else None), watch.seconds))
    os._exit(0)


def end_of(context: ForkServerContext, mutant: Mutant, order: Order, compiled: Path) -> End:
    """How a mutant ends; ``compiled`` keeps XLA's programs from one mutant to the next."""
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_try, args=(mutant, order, folder, str(compiled), sender))
        process.start()
        sender.close()
        try:
            end = receiver.recv() if receiver.poll(_TIME_LIMIT) else End("the time limit", {})
        except EOFError:
            end = End("a crash", {})
        process.kill()
        process.join()
    return end


def _key(mutant: Mutant) -> str:
    return f"{mutant.module}:{hashlib.sha256(mutant.code.encode()).hexdigest()[:16]}"


def main() -> None:
    """Try the mutants and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, help="how many, at random; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", metavar="K/M")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--compiled", type=Path, help="folder of compiled programs, to be used again")
    parser.add_argument("--results", type=Path, help="one JSON object a mutant; read first, then appended to")
    arguments = parser.parse_args()
    chosen = list(mutants())
    print(f"{len(chosen)} mutants", flush=True)
    if arguments.sample:
        chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
    part, parts = map(int, arguments.part.split("/"))
    chosen = chosen[part - 1 :: parts]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    start, order, ends = time.monotonic(), Order(), dict[str, End]()
    by_key = {_key(mutant): mutant for mutant in chosen}
    with contextlib.ExitStack() as stack:
        compiled = arguments.compiled or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = stack.enter_context(arguments.results.open("a+")) if arguments.results else None

        def tried(mutant: Mutant) -> End:
            end = ends[_key(mutant)] = end_of(context, mutant, order, compiled)
            order.learn(mutant, end)
            if file is not None:
                row = {"key": _key(mutant), "operator": mutant.operator, "change": change(mutant)}
                file.write(json.dumps({**row, **end._asdict()}) + "\n")
                file.flush()
            return end

        if file is not None:
            file.seek(0)
            for row in map(json.loads, file):
                ends[row["key"]] = End(row["killer"], row["seconds"])
        for key, end in ends.items():
            if key in by_key:
                order.learn(by_key[key], end)
        for module in TESTS:
            unchanged = Mutant(module, "none", (ROOT / module).read_text())
            if _key(unchanged) in ends:
                order.learn(unchanged, ends[_key(unchanged)])
            elif (killer := tried(unchanged).killer) is not None:
                raise SystemExit(f"{module}: {killer} fails without any change")
            else:
                print(f"{module} passes as it is, {time.monotonic() - start:.0f} s", flush=True)
        survived = [mutant for key, mutant in by_key.items() if key in ends and ends[key].killer is None]
        untried = [mutant for key, mutant in by_key.items() if key not in ends]
        for mutant in [*untried, *survived]:
            if time.monotonic() - start > arguments.seconds:
                break
            if tried(mutant).killer is None:
                print(f"survived: {mutant.module} {mutant.operator}: {change(mutant)}", flush=True)
    met = [ends[key].killer for key in by_key if key in ends]
    print(f"{len(met)} tried, {len(met) - met.count(None)} killed, {met.count(None)} survived")


if __name__ == "__main__":
    main()
