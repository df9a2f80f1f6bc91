"""Measure whether the Ikomia task uses all of torch's threads in the thread that imported Ikomia.

Run ``python -m benchmarks.ikomia_threads``. ``import ikomia`` switches OpenMP's dynamic teams on. In that thread, torch
then computes on one core. The task switches the teams off while it computes. The last line reads ``ratio R``: without
that, the core takes R times as long as the whole task.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.measure import photo

REPOSITORY = Path(__file__).resolve().parents[1]

NAME = "infer_p3m_portrait_matting"
PARAMETERS = {"model_name": "mobile", "input_size": "1024", "method": "HYBRID", "cuda": "False"}


def measure(run: Callable[[], object]) -> tuple[float, float]:
    """Measure the wall seconds of one run, and the CPU seconds of all threads of the process meanwhile."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds that count, after one more (default: %(default)s)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        # Ikomia takes its folder from HOME when it is imported.
        os.environ["HOME"] = home
        _compare(args.rounds)
    return 0


def _compare(rounds: int) -> None:
    from ikomia.core import IODataType  # noqa: F401 - Ikomia's packages need their core first
    from ikomia.dataprocess.registry import ik_registry
    from ikomia.dataprocess.workflow import Workflow

    ik_registry.load_python_algorithm(str(REPOSITORY / NAME))
    image = photo()
    workflow = Workflow()
    task = workflow.add_task(name=NAME, auto_connect=True)
    task.set_parameters(PARAMETERS)
    workflow.set_image_input(array=image, index=0)
    workflow.run()
    runs = {
        "the Ikomia task": workflow.run,
        "the core alone, threads left as they are": lambda: task.session.matte(image),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(1 + rounds):
        for name, run in runs.items():
            measured = measure(run)
            if number:
                found[name].append(measured)
    print(f"mobile, photo {image.shape[1]} x {image.shape[0]}, HYBRID at 1024, {torch.get_num_threads()} threads")
    medians = []
    for name, pairs in found.items():
        walls = [wall for wall, _ in pairs]
        medians.append(statistics.median(walls))
        cores = statistics.median(cpu / wall for wall, cpu in pairs)
        print(f"{name}: {medians[-1]:.2f} s ({min(walls):.2f} to {max(walls):.2f}), {cores:.2f} cores used")
    print(f"ratio {medians[1] / medians[0]:.2f}")


if __name__ == "__main__":
    sys.exit(main())
