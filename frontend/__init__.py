"""From an ONNX file to the IR graph."""
