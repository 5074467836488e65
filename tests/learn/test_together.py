import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from overtrace.learn.losses import planes_loss  # noqa: E402
from overtrace.learn.recipe import PlaneWeights  # noqa: E402
from overtrace.learn.together import JoinedBatchNorm2d, everywhere, join_statistics  # noqa: E402
from overtrace.networks.mini import Mini  # noqa: E402

NAMES = ("interior", "touch", "distance")


def test_alone_a_sum_is_what_it_is():
    assert everywhere(torch.tensor(3.0)) == 3


def test_joined_normalisation_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, 6, 5, 7, generator=generator) * 3 + 1
    one, other = (nn.BatchNorm2d(6), JoinedBatchNorm2d(6))
    torch.testing.assert_close(one(image), other(image), rtol=1e-5, atol=1e-5)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.eval()(image), other.eval()(image))


def test_joining_keeps_names_and_weights():
    network = Mini("s")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    join_statistics(network)
    assert any(isinstance(module, JoinedBatchNorm2d) for module in network.modules())
    torch.testing.assert_close(dict(network.state_dict()), before)


def _work(rank: int, count: int, port: int, out: str) -> None:
    """The gradient of a shared batch of four, as one of ``count`` processes sees it."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    generator = torch.Generator().manual_seed(0)
    image, planes = torch.rand(4, 3, 32, 32, generator=generator), torch.rand(4, 3, 32, 32, generator=generator)
    planes[:, :2] = (planes[:, :2] > 0.7).float()
    known = (torch.rand(4, 3, 32, 32, generator=generator) > 0.3).float()
    torch.manual_seed(5)
    network = Mini("s")
    join_statistics(network)
    module = nn.parallel.DistributedDataParallel(network)
    part = slice(rank * 4 // count, (rank + 1) * 4 // count)
    loss = planes_loss(module(image[part]), NAMES, planes[part], known[part], PlaneWeights())
    loss.backward()
    if rank == 0:
        torch.save({"loss": loss.detach(), **{n: p.grad for n, p in network.named_parameters()}}, out)
    torch.distributed.destroy_process_group()


def test_two_processes_have_the_gradient_of_one(tmp_path):
    found = []
    for count in (1, 2):
        port = int(np.random.default_rng().integers(20000, 60000))
        out = tmp_path / f"{count}.pt"
        torch.multiprocessing.spawn(_work, (count, port, str(out)), nprocs=count)
        found.append(torch.load(out, weights_only=True))
    one, two = found
    assert one["loss"].item() == pytest.approx(two["loss"].item(), rel=1e-5)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-5)
