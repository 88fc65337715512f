"""The IR, its passes and the Plan; knows no ONNX, no C and no chip."""
