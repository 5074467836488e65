"""What processes that train one network must share: sums, and the statistics of normalisation.

With both, a batch that is divided among processes gives the gradient that it gives in one.
"""

from typing import Any

import torch
from torch import distributed, nn


def count_processes() -> int:
    """How many train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def everywhere(value: torch.Tensor) -> torch.Tensor:
    """The sum of a value over all processes; gradients flow back to each."""
    if count_processes() == 1:
        return value
    total: torch.Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The slope of a sum over processes, in each of them, is the sum of the slopes that they see."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        return _Sum.forward(ctx, slope)


class JoinedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance over the batches of all processes, on CPUs too; in float32."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) normalised by channel."""
        if not self.training:
            return super().forward(input)
        exact = input.float()
        count = everywhere(torch.tensor(float(input.numel() // input.shape[1]), device=input.device))
        mean = everywhere(exact.sum((0, 2, 3))) / count
        variance = everywhere((exact - mean[:, None, None]).square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (exact * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]).to(input.dtype)


def join_statistics(network: nn.Module) -> None:
    """Let every batch normalisation of a network look at the batches of all processes; the weights stay."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                joined = JoinedBatchNorm2d(child.num_features, child.eps, child.momentum)
                joined.load_state_dict(child.state_dict())
                setattr(parent, name, joined)
