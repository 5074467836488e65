"""Settings for tests that run torch."""

from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    # Beside another load, two threads wait for each other many times longer than they compute.
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
