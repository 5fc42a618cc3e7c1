"""The peer: a sliding-window LSTM in plain torch, the training loop that a tutorial writes."""

import numpy as np
import torch
from torch import nn


class PlainLSTM(nn.Module):
    """The last hidden state of a window → the next value."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.lstm(windows)
        return self.head(outputs[:, -1])


def windows(values: np.ndarray, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every window of scaled values, `(rows, window, 1)`, and the value after each, `(rows, 1)`."""
    view = np.lib.stride_tricks.sliding_window_view(values, window)[:-1].astype(np.float32)
    return torch.from_numpy(view.copy())[..., None], torch.from_numpy(values[window:].astype(np.float32))[:, None]


def fit(
    values: np.ndarray, *, window: int, hidden: int, epochs: int, seed: int, batch: int = 128, rate: float = 3e-3
) -> PlainLSTM:
    """Train on every window of scaled values with Adam on the mean squared error."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PlainLSTM(hidden)
        inputs, wanted = windows(values, window)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(batch):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(inputs[rows]), wanted[rows]).backward()
                optimizer.step()
    return model.eval()


def predict(model: PlainLSTM, values: np.ndarray, window: int) -> np.ndarray:
    """Forecast the value after each window of scaled values but the last."""
    with torch.inference_mode():
        return model(windows(values, window)[0]).numpy()[:, 0].astype(np.float64)
