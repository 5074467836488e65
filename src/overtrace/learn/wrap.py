"""A torch network where ``trace`` and ``answer`` expect that of a model file, so that validation runs their code."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from overtrace.models.card import Card
from overtrace.models.runtime import Network, Outputs


def wrap(network: nn.Module, card: Card) -> Network:
    """A network that is in memory as a loaded model file."""
    device = next(network.parameters()).device
    answers = Answers(network, card).eval()

    @torch.inference_mode()
    def infer(window: npt.NDArray[np.float32]) -> Outputs:
        found = answers(torch.from_numpy(window).to(device))
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(part.float().cpu().numpy() if part.is_floating_point() else part.cpu().numpy() for part in parts)

    return Network(card, lambda: infer)


class Answers(nn.Module):
    """A network with what stands at its end in a model file: planes as probabilities, the rest as it is."""

    def __init__(self, network: nn.Module, card: Card) -> None:
        super().__init__()
        self.network = network
        self.sigmoid = card.task == "planes"

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """The outputs of the task."""
        answer: torch.Tensor | tuple[torch.Tensor, ...] = self.network(image)
        return torch.sigmoid(answer) if self.sigmoid and isinstance(answer, torch.Tensor) else answer
