"""The same networks and objectives in PyTorch, written from the equations: what ``benchmarks.compare`` times.

Autoencoder, Gaussian VAE and Variational Sparse Coding (Tonolini, Jensen and Murray-Smith, UAI 2019) with
pseudo-inputs, concrete gates, blended prior gates, exact selection and the classifier that learns it, over
fully connected networks or the original report's convolution. Natural PyTorch: modules, autograd, ``Adam``.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsc_jax.config import Config

_OUTPUTS_PER_LATENT = {"ae": 1, "vae": 2, "vsc": 3}
_CLASSIFIER_WIDTH = 256


def mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1):
        layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ConvEncoder(nn.Module):
    """Two 3 x 3 convolutions of stride 2, a full-size kernel, a linear head."""

    def __init__(self, side: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear((side // 4) ** 2 * 32, 64),
            nn.ReLU(),
            nn.Linear(64, outputs),
        )
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Features of flat images ``[n, side * side]``."""
        return self.layers(x.view(-1, 1, self.side, self.side))


class ConvDecoder(nn.Module):
    """The mirror of :class:`ConvEncoder`."""

    def __init__(self, latents: int, side: int):
        super().__init__()
        quarter = side // 4
        self.layers = nn.Sequential(
            nn.Linear(latents, 64),
            nn.ReLU(),
            nn.Linear(64, quarter**2 * 32),
            nn.ReLU(),
            nn.Unflatten(1, (32, quarter, quarter)),
            nn.ConvTranspose2d(32, 16, 3, 2, 1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 3, 2, 1, output_padding=1),
            nn.Flatten(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Logits of flat images."""
        return self.layers(z)


class Model(nn.Module):
    """One of the three models; ``forward(x, ...)`` is the loss of a batch of flat examples."""

    def __init__(self, config: Config, side: int, examples: Tensor):
        super().__init__()
        model = config.model
        self.kind, self.latents, self.gate_start = model.kind, model.latents, model.initial_gate_logit
        self.rounded = config.train.precision == "bfloat16"
        pixels, outputs = side * side, _OUTPUTS_PER_LATENT[model.kind] * model.latents
        if model.network == "conv":
            self.encoder: nn.Module = ConvEncoder(side, outputs)
            self.decoder: nn.Module = ConvDecoder(model.latents, side)
        else:
            self.encoder = mlp([pixels, *model.hidden, outputs])
            self.decoder = mlp([model.latents, *reversed(model.hidden), pixels])
        if model.kind == "vsc":
            self.raw = nn.Parameter(torch.logit(examples[: model.pseudo_inputs].clamp(0.02, 0.98)))
            self.classifier = mlp([pixels, _CLASSIFIER_WIDTH, model.pseudo_inputs])

    def through(self, network: nn.Module, x: Tensor) -> Tensor:
        """What a network makes of ``x``, in float32; its products in bfloat16 where that was asked for."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.rounded):
            return network(x).float()

    def log_likelihood(self, z: Tensor, x: Tensor) -> Tensor:
        """Mean over the batch of ``log p(x|z)``, in nats."""
        logits = self.through(self.decoder, z)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)

    def forward(
        self, x: Tensor, kl_weight: Tensor, sharpness: Tensor, blend: Tensor, weight: Tensor
    ) -> Tensor:
        """Loss to be minimised."""
        if self.kind == "ae":
            return -self.log_likelihood(self.through(self.encoder, x), x)
        if self.kind == "vae":
            mean, log_var = self.through(self.encoder, x).chunk(2, -1)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            kl = 0.5 * (log_var.exp() + mean.square() - 1 - log_var).sum(-1).mean()
            return kl_weight * kl - self.log_likelihood(z, x)
        return self.sparse(x, kl_weight, sharpness, blend, weight)

    def sparse(
        self, x: Tensor, kl_weight: Tensor, sharpness: Tensor, blend: Tensor, weight: Tensor
    ) -> Tensor:
        """Loss of Variational Sparse Coding."""
        mean, log_var, logit = self.through(self.encoder, x).chunk(3, -1)
        p_mean, p_log_var, p_logit = self.through(self.encoder, torch.sigmoid(self.raw)).chunk(3, -1)
        logit, p_logit = logit + self.gate_start, p_logit + self.gate_start
        p_gamma = torch.sigmoid(p_logit)
        rate = 0.1
        blended = torch.clamp((1 - blend) * p_gamma + blend * rate, 1e-6, 1 - 1e-6)
        uniform = torch.rand_like(logit).clamp(1e-7, 1 - 1e-7)
        gate = torch.sigmoid(sharpness * (logit + torch.logit(uniform)))
        z = gate * (mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
        # Eq. 6 for every code and every component by one matrix product.
        gamma, spike, precision = torch.sigmoid(logit), torch.sigmoid(-logit), torch.exp(-p_log_var)
        q = torch.cat([gamma * (log_var.exp() + mean.square()), gamma * mean, gamma, spike], -1)
        p = torch.cat(
            [
                0.5 * precision,
                -p_mean * precision,
                0.5 * (p_log_var + p_mean.square() * precision) - torch.log(blended),
                -torch.log1p(-blended),
            ],
            -1,
        )
        negentropy = gamma * (F.logsigmoid(logit) - 0.5 * (log_var + 1)) + spike * F.logsigmoid(-logit)
        component_kl = q @ p.T + negentropy.sum(-1, keepdim=True)
        kl = math.log(len(p)) - torch.logsumexp(-component_kl, -1)
        weights = torch.softmax(-component_kl, -1)
        mean_gamma = (weights @ p_gamma.mean(-1)).mean()
        alpha = 0.1
        sparsity = self.latents * (
            mean_gamma * torch.log(mean_gamma / alpha)
            + (1 - mean_gamma) * torch.log((1 - mean_gamma) / (1 - alpha))
        )
        guess = torch.log_softmax(self.through(self.classifier, x), -1)
        cross_entropy = -(weights.detach() * guess).sum(-1).mean()
        loss = kl_weight * kl.mean() - self.log_likelihood(z, x)
        return loss + weight * sparsity + cross_entropy


class Trainer:
    """Training as it is written in PyTorch: data as uint8 in memory, batches by a permutation, ``Adam``.

    Args:
      config: what is trained.
      data: uint8 images ``[examples, side, side]``.
      compiled: whether the loss goes through ``torch.compile``.
    """

    def __init__(self, config: Config, data: np.ndarray, *, compiled: bool):
        torch.manual_seed(0)
        self.data = torch.from_numpy(data.reshape(len(data), -1))
        self.batch_size = config.train.batch_size
        self.model = Model(config, data.shape[1], self.data.float() / 255)
        torch.compiler.reset()  # it compiles a function only so often, whatever the model, and then no more
        self.loss: Callable[..., Tensor] = torch.compile(self.model) if compiled else self.model
        self.adam = torch.optim.Adam(self.model.parameters(), lr=config.train.learning_rate)
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.order = torch.randperm(len(data))
        self.place = 0

    def steps(self, count: int) -> float:
        """Run iterations; the mean loss."""
        total = torch.zeros(())
        for i in range(count):
            if self.place + self.batch_size > len(self.order):
                self.order, self.place = torch.randperm(len(self.data)), 0
            rows = self.order[self.place : self.place + self.batch_size]
            self.place += self.batch_size
            x = self.data[rows].float() / 255
            coefficients = torch.tensor([1.0, 1.5 + 1e-3 * i, 0.5, 1.0]).unbind()
            loss = self.loss(x, *coefficients)
            self.adam.zero_grad(set_to_none=True)
            loss.backward()
            self.adam.step()
            total += loss.detach()
        return float(total / count)
