"""ESP-PPQ for the ESP32-P4 (its default: per-channel powers of two), exported in the form for onnxruntime."""

from __future__ import annotations

from digits import HERE, Branches, data, finish, train
from esp_ppq import TargetPlatform
from esp_ppq.api import espdl_quantize_torch, export_ppq_graph
from esp_ppq.executor import TorchExecutor
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Executed(nn.Module):
    """A quantized graph run by ESP-PPQ itself."""

    def __init__(self, graph: object) -> None:
        super().__init__()
        self.executor = TorchExecutor(graph, device="cpu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10]."""
        return self.executor.forward(x)[0]


def main() -> None:
    """Float training, quantization, export."""
    x, y, x_test, y_test = data()
    model = Branches()
    train(model, x, y, 15, 3e-3)
    graph = espdl_quantize_torch(
        model=model.eval(),
        espdl_export_file="",
        calib_dataloader=DataLoader(x[:256], batch_size=1, shuffle=False),
        calib_steps=256,
        input_shape=[1, 1, 8, 8],
        target="esp32p4",
        num_of_bits=8,
        device="cpu",
        error_report=False,
        skip_export=True,
    )
    path = HERE / "esp_ppq.onnx"
    executed = Executed(graph)
    export_ppq_graph(graph, TargetPlatform.ONNXRUNTIME, str(path))
    finish("esp_ppq", executed, x_test, y_test)


if __name__ == "__main__":
    main()
