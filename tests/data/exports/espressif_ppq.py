"""ESP-PPQ for the ESP32-P4 (its default: per-channel powers of two), exported in the form for onnxruntime."""

from __future__ import annotations

import tempfile

import torch
from digits import HERE, Branches, data, finish, train
from esp_ppq import TargetPlatform
from esp_ppq.api import espdl_quantize_torch, export_ppq_graph
from esp_ppq.executor import TorchExecutor
from esp_ppq.IR import BaseGraph
from networks import Gated, Residual
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Executed(nn.Module):
    """A quantized graph run by ESP-PPQ itself."""

    def __init__(self, graph: BaseGraph) -> None:
        super().__init__()
        self.executor = TorchExecutor(graph, device="cpu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10]."""
        return self.executor.forward(x)[0]


def quantize(model: nn.Module, rows: Tensor) -> BaseGraph:
    """The graph with scales, from a few rows."""
    # The float model is written beside the .espdl file that is not.
    with tempfile.TemporaryDirectory() as folder:
        return espdl_quantize_torch(
            model=model,
            espdl_export_file=f"{folder}/model.espdl",
            calib_dataloader=DataLoader(rows, batch_size=1, shuffle=False),
            calib_steps=len(rows),
            input_shape=[1, *rows.shape[1:]],
            target="esp32p4",
            # It names opset 13 in the file, whatever was exported here.
            opset_version=13,
            num_of_bits=8,
            device="cpu",
            error_report=False,
            skip_export=True,
        )


def main() -> None:
    """Float training, quantization, export, of each network."""
    x, y, x_test, y_test = data()
    networks = {"esp_ppq": Branches, "esp_ppq_residual": Residual, "esp_ppq_gated": Gated}
    for name, network in networks.items():
        torch.manual_seed(1)
        model = network()
        train(model, x, y, 15, 3e-3)
        graph = quantize(model.eval(), x[:256])
        executed = Executed(graph)
        export_ppq_graph(graph, TargetPlatform.ONNXRUNTIME, str(HERE / f"{name}.onnx"))
        finish(name, executed, x_test, y_test)


if __name__ == "__main__":
    main()
