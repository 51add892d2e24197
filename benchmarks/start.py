"""From the command to the first iteration, cold and warm, and memory: ``python -m benchmarks.start``.

Starts ``python -m vsc_jax.train`` with an empty folder for compiled programs, then again, and waits for the
first row of ``metrics.jsonl``; beside it what a process needs to import JAX, Flax and Orbax alone. Decoded
data are kept in both cases. MNIST needs ``TFDS_DATA_DIR``. ``--fit`` measures, in place of all that, the
first and the second fit of scikit-learn's digits in a process in which nothing is compiled.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_FITS = """
import time
from sklearn.datasets import load_digits
from vsc_jax.estimator import VariationalSparseCoding
rows = load_digits().data
for which in ("first", "second"):
    start, used = time.perf_counter(), time.process_time()
    VariationalSparseCoding(random_state=0).fit(rows)
    took = time.perf_counter() - start, time.process_time() - used
    print("{} fit: {:.1f} s, {:.1f} s of a processor".format(which, *took))
"""


def first_row(argv: list[str], workdir: Path, environment: dict[str, str]) -> float:
    """Seconds from the command to its first row; the process is stopped then."""
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "vsc_jax.train",
        *argv,
        "--train.log_every",
        "1",
        "--workdir",
        str(workdir),
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        rows = workdir / "metrics.jsonl"
        while not (rows.exists() and rows.stat().st_size) and process.poll() is None:
            time.sleep(0.01)
        elapsed = time.perf_counter() - start
        if process.poll():
            raise SystemExit(f"the command failed with code {process.returncode}")
        process.kill()
    return elapsed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="mnist_vsc")
    parser.add_argument("--warm", type=int, default=3, help="warm starts")
    parser.add_argument("--memory", type=int, default=0, help="also a whole run of so many iterations")
    parser.add_argument("--fit", action="store_true", help="the estimator's fits alone")
    arguments = parser.parse_args()
    if arguments.fit:
        alone = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
        subprocess.run([sys.executable, "-c", _FITS], env=alone, check=True)
        return
    argv = ["--config", arguments.config, "--train.progress", "False"]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "compiled")}
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        imports = "import jax, flax.nnx, optax, orbax.checkpoint; jax.devices()"
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", imports], check=True)
        print(f"importing JAX, Flax and Orbax: {time.perf_counter() - start:.1f} s")
        first_row(argv, Path(folder) / "decoding", environment)
        shutil.rmtree(Path(folder) / "compiled")
        print(f"cold: {first_row(argv, Path(folder) / 'cold', environment):.1f} s")
        warm = [first_row(argv, Path(folder) / f"warm{i}", environment) for i in range(arguments.warm)]
        print(f"warm: {', '.join(f'{seconds:.1f}' for seconds in warm)} s")
        if arguments.memory:
            whole = [*argv, "--train.steps", str(arguments.memory), "--workdir", f"{folder}/whole"]
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "vsc_jax.train", *whole], env=environment, check=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            print(
                f"a run of {arguments.memory} iterations: {time.perf_counter() - start:.0f} s, {peak:.2f} GiB"
            )


if __name__ == "__main__":
    main()
