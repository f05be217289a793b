"""A transformer trained for a minute, kept in `.peers/` for the next benchmark."""

import hashlib

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from tests.benchmarks.data import ROOT
from tests.benchmarks.networks import GPT

SEQUENCE = 64
STEPS = 200
BATCH = 32
RATE = 2e-3
SEED = 0


def sequences(text: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The text's last sequences, (B, T), not trained on, and the symbols that follow, (B, T)."""
    end = count * SEQUENCE
    held_out = text[-end - 1 :]
    return held_out[:-1].view(count, SEQUENCE), held_out[1:].view(count, SEQUENCE)


def trained(text: Tensor, symbols: int, device: torch.device) -> GPT:
    """The transformer after `STEPS` steps on random sequences, a minute on two cores."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = GPT(symbols, SEQUENCE)
    recipe = f"{SEED} {STEPS} {BATCH} {RATE} {symbols} {len(text)} {model} {torch.__version__}"
    kept = ROOT / ".peers" / f"gpt_{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.safetensors"
    if kept.exists():
        model.load_state_dict(safetensors.torch.load_file(kept))
        return model.eval()
    train(model.to(device), text[: -len(text) // 10].to(device))
    kept.parent.mkdir(exist_ok=True)
    safetensors.torch.save_file(model.to("cpu").state_dict(), kept)
    return model.eval()


def train(model: GPT, text: Tensor) -> None:
    """Follow the gradient of random sequences, at a rate that falls to zero."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    offsets = torch.arange(SEQUENCE + 1)
    for _ in range(STEPS):
        starts = torch.randint(len(text) - SEQUENCE, (BATCH, 1), generator=generator)
        batch = text[(starts + offsets).to(text.device)]
        outputs = model(batch[:, :-1])
        loss = functional.cross_entropy(outputs.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
