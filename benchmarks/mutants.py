"""Changes the mathematics and sees whether a test notices: ``python -m benchmarks.mutants``.

Cosmic Ray makes the mutants of the losses and of the spike-and-slab distribution: one operator turned into
its opposite, one sign, number, comparison, condition or default changed at a time. A mutant is killed when a
test of its module fails; survivors are printed with their line. ``--sample N`` takes N of them at random,
``--part K/M`` the K-th of M parts, so that a run can be split.

Each mutant is tried in a process forked from one that has imported everything but our package.
"""

import argparse
import ast
import contextlib
import difflib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TESTS = {
    "vsc_jax/losses/likelihood.py": ["tests/losses/test_likelihood.py"],
    "vsc_jax/losses/kl.py": ["tests/losses/test_kl.py", "tests/losses/test_bounds.py"],
    "vsc_jax/losses/bounds.py": ["tests/losses/test_bounds.py"],
    "vsc_jax/losses/_arrays.py": ["tests/losses"],
    "vsc_jax/spike_slab.py": ["tests/test_spike_slab.py"],
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


def _try(mutant: Mutant, folder: str, compiled: str) -> None:
    """Run the module's tests on the mutant; the exit code is pytest's, 0 for a survivor."""
    import jax
    import pytest

    # Programs that the change does not touch are compiled once for all mutants.
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
    os._exit(int(pytest.main([*options, *TESTS[mutant.module]])))


def survives(context: multiprocessing.context.ForkServerContext, mutant: Mutant, compiled: Path) -> bool:
    """Whether no test notices; ``compiled`` keeps XLA's programs from one mutant to the next."""
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_try, args=(mutant, folder, str(compiled)))
        process.start()
        process.join(_TIME_LIMIT)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode == 0


def main() -> None:
    """Try the mutants and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, help="how many, at random; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", metavar="K/M")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--no-baseline", action="store_true", help="take the tests' passing for granted")
    parser.add_argument("--compiled", type=Path, help="folder of compiled programs, to be used again")
    parser.add_argument("--results", type=Path, help="append one JSON object a mutant to this file")
    arguments = parser.parse_args()
    chosen = list(mutants())
    print(f"{len(chosen)} mutants", flush=True)
    if arguments.sample:
        chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
    part, parts = map(int, arguments.part.split("/"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    start, tried, survivors = time.monotonic(), 0, 0
    with contextlib.ExitStack() as stack:
        compiled = arguments.compiled or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = stack.enter_context(arguments.results.open("a")) if arguments.results else None
        for module in () if arguments.no_baseline else TESTS:
            if not survives(context, Mutant(module, "none", (ROOT / module).read_text()), compiled):
                raise SystemExit(f"{module}: its tests fail without any change")
            print(f"{module} passes as it is, {time.monotonic() - start:.0f} s", flush=True)
        for mutant in chosen[part - 1 :: parts]:
            if time.monotonic() - start > arguments.seconds:
                break
            alive = survives(context, mutant, compiled)
            tried, survivors = tried + 1, survivors + alive
            if alive:
                print(f"survived: {mutant.module} {mutant.operator}: {change(mutant)}", flush=True)
            if file is not None:
                row = {"module": mutant.module, "operator": mutant.operator, "survived": alive}
                file.write(json.dumps({**row, "change": change(mutant)}) + "\n")
                file.flush()
    print(
        f"{tried} tried in {time.monotonic() - start:.0f} s, {tried - survivors} killed, {survivors} survived"
    )


if __name__ == "__main__":
    main()
