"""What every test runs under: strict JAX, warnings as errors, checked shapes; and shared fixtures.

The settings are those of equinox's conftest. They hold inside this process only: a command line
started by a test as a subprocess runs as a user would run it, but for the folder of compiled programs.
"""

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jax
import jaxtyping
import optax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

# Most of the suite's time is the compiler's, and its programs are small: they are compiled with few
# optimizations, here and in what the tests start. Tests of a sweep's members, which are the runs alone to the
# last bit as users compile them, ask for ``optimized``.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
jax.config.update("jax_disable_most_optimizations", True)

# What one test compiles is compiled once: for the other workers and for what tests start as well, until the
# suite ends. This process was given JAX's variables before it could be asked, so that it is told again.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.mkdtemp(prefix="vsc_jax-tests-")
    atexit.register(shutil.rmtree, _programs, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    # What vsc_jax.config.paths says of Intel's processors; importing JAX has set it to less.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    jax.config.update("jax_compilation_cache_dir", _programs)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# Sets are decoded once as well, and in no folder of the user's.
if "VSC_JAX_CACHE" not in os.environ:
    os.environ["VSC_JAX_CACHE"] = tempfile.mkdtemp(prefix="vsc_jax-tests-")
    atexit.register(shutil.rmtree, os.environ["VSC_JAX_CACHE"], ignore_errors=True)

# A shell that runs the suite in the background ignores Ctrl-C for it, and so would what the tests stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Shapes and dtypes of every annotated function of ours are checked by beartype, in tests only. This
# must run before the first import of the package.
jaxtyping.install_import_hook("vsc_jax", "beartype.beartype")

# optax's Adam computes decay ** count with an integer count, the one place on our way through it that
# strict promotion refuses; everything around it stays strict.
_bias_correction = optax.tree.bias_correction


@functools.wraps(_bias_correction)
def _bias_correction_under_standard_promotion(*args: Any, **kwargs: Any) -> Any:
    with jax.numpy_dtype_promotion("standard"):
        return _bias_correction(*args, **kwargs)


optax.tree.bias_correction = _bias_correction_under_standard_promotion

# Fixed examples, no clock and nothing written to disk: a test that fails once fails again.
hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("fixed")

# Warnings that are not ours to mend, each with its source. Add to this list, not to a settings file.
THIRD_PARTY_WARNINGS = [
    # JAX writes a program in place, and another worker may read half of it; it then compiles it.
    "ignore:Error reading persistent compilation cache entry",
    # TensorStore's other reads of a damaged checkpoint end after Orbax has closed its event loop.
    "ignore:(?s)Exception ignored in. None.*Event loop is closed:pytest.PytestUnraisableExceptionWarning",
    # anndata 0.13 asks pandas 3 for an option that pandas 4 will not have.
    "ignore:The 'future.infer_string' option is deprecated",
]


def pytest_configure(config: pytest.Config) -> None:
    for line in ("error", *THIRD_PARTY_WARNINGS):
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of the real data sets: the environment's VSC_TEST_DATA, or ../shared/data."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VSC_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs real data: no folder {folder} (set VSC_TEST_DATA to the folder that holds tfds/)")
    return folder


@pytest.fixture(scope="session")
def decoded() -> str:
    """The cache folder of the suite, in which real sets are decoded once."""
    return os.environ["VSC_JAX_CACHE"]


@pytest.fixture
def x64() -> Iterator[None]:
    """The test runs with 64-bit types enabled; arrays default to float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def optimized() -> Iterator[None]:
    """From here to the module's end programs are compiled as a user's are.

    Fixtures of wider scope than a module, which other modules compare with, must not be asked for after it.
    """
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)
    jax.clear_caches()


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python as a user does: ``python("-m", "vsc_jax.train", cwd=folder, NO_COLOR="1")``."""
    root = str(Path(__file__).resolve().parents[1])

    def run(*argv: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *argv],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": root, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of a report are those of the overview alone, since drawing all takes seconds."""
    from vsc_jax.figures import FIGURES, OVERVIEW

    monkeypatch.setattr("vsc_jax.pages.page.FIGURES", {name: FIGURES[name] for name in OVERVIEW})


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium, driven by Selenium, that talks to nobody of its own accord."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs a browser: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu", "dev-shm-usage")
    for flag in ("headless", "no-sandbox", "no-first-run", *(f"disable-{name}" for name in quiet)):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    running.set_page_load_timeout(60)
    yield running
    running.quit()
