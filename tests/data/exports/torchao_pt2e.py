"""Post-training quantization by torchao's PT2E flow, with observers that choose powers of two, exported by dynamo."""

from __future__ import annotations

import onnx
import torch
from digits import HERE, Branches, data, finish, power_of_two, train
from networks import Residual
from torch import Tensor, nn
from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver, move_exported_model_to_eval
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationSpec
from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer
from torchao.testing.pt2e._xnnpack_quantizer_utils import QuantizationConfig

EXAMPLE = (torch.zeros(1, 1, 8, 8),)


def powers_of_two(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and zero points for the measured ranges."""
    largest = torch.maximum(-low, high).reshape(-1)
    return torch.tensor([power_of_two(value) for value in largest.tolist()]), torch.zeros(len(largest)).long()


class TensorObserver(MinMaxObserver):
    """One power of two."""

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point."""
        return powers_of_two(self.min_val, self.max_val)


class ChannelObserver(PerChannelMinMaxObserver):
    """A power of two for each output channel."""

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scales and zero points."""
        return powers_of_two(self.min_val, self.max_val)


def quantizer() -> XNNPACKQuantizer:
    """The XNNPACK quantizer, as ExecuTorch has it, with those observers."""
    specs = [
        QuantizationSpec(torch.int8, observer, -128, 127, scheme, axis)
        for observer, scheme, axis in (
            (TensorObserver, torch.per_tensor_symmetric, None),
            (ChannelObserver, torch.per_channel_symmetric, 0),
        )
    ]
    return XNNPACKQuantizer().set_global(QuantizationConfig(specs[0], specs[0], specs[1], None))


def export(converted: nn.Module, name: str) -> None:
    """NAME.onnx for a batch of 1, without the exporter's notes on source files."""
    path = HERE / f"{name}.onnx"
    names = {"input_names": ["input"], "output_names": ["logits"]}
    torch.onnx.export(converted, EXAMPLE, path, opset_version=18, dynamo=True, external_data=False, **names)
    proto = onnx.load(path)
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del message.metadata_props[:]
    path.write_bytes(proto.SerializeToString(deterministic=True))


def main() -> None:
    """Float training, PT2E quantization, export, of both networks."""
    x, y, x_test, y_test = data()
    for name, network in (("torchao_pt2e", Branches), ("torchao_pt2e_residual", Residual)):
        torch.manual_seed(1)
        model = network()
        train(model, x, y, 15, 3e-3)
        prepared = prepare_pt2e(torch.export.export(model.eval(), EXAMPLE).module(), quantizer())
        for row in x[:200]:
            prepared(row[None])
        converted = move_exported_model_to_eval(convert_pt2e(prepared))
        export(converted, name)
        finish(name, converted, x_test, y_test)


if __name__ == "__main__":
    main()
