"""Writes the single-node tests of the PyPI package onnx in a form that needs no ONNX library to read.

    python export.py OUT_DIR

OUT_DIR/cases.json: one object a test, OUT_DIR/tensors.bin: all tensors in Triton's binary form (little-endian elements
in row-major order; strings each behind a 32-bit length). A value that is no tensor has `kind` and no data.
"""

import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

DATATYPES = {
    TensorProto.BOOL: "BOOL", TensorProto.UINT8: "UINT8", TensorProto.UINT16: "UINT16", TensorProto.UINT32: "UINT32",
    TensorProto.UINT64: "UINT64", TensorProto.INT8: "INT8", TensorProto.INT16: "INT16", TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64", TensorProto.FLOAT16: "FP16", TensorProto.FLOAT: "FP32", TensorProto.DOUBLE: "FP64",
    TensorProto.STRING: "BYTES",
}


def main(folder):
    with open(os.path.join(folder, "tensors.bin"), "wb") as tensors:
        cases = [case_of(test, tensors) for test in sorted(load_model_tests(kind="node"), key=lambda test: test.name)]
    with open(os.path.join(folder, "cases.json"), "w", encoding="utf-8") as file:
        json.dump({"onnx": onnx.__version__, "cases": cases}, file)


def case_of(test, tensors):
    path = os.path.join(test.model_dir, "model.onnx")
    graph = onnx.load(path).graph
    initialized = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialized]
    sets = []
    number = 0
    while os.path.isdir(os.path.join(test.model_dir, f"test_data_set_{number}")):
        data = os.path.join(test.model_dir, f"test_data_set_{number}")
        sets.append({
            "inputs": [value_of(value, os.path.join(data, f"input_{i}.pb"), tensors) for i, value in enumerate(inputs)],
            "outputs": [value_of(value, os.path.join(data, f"output_{i}.pb"), tensors) for i, value in enumerate(graph.output)],
        })
        number += 1
    return {"name": test.name, "model": path, "rtol": test.rtol, "atol": test.atol, "sets": sets}


def value_of(value, path, tensors):
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return {"name": value.name, "kind": kind.removesuffix("_type")}
    tensor = TensorProto()
    with open(path, "rb") as file:
        tensor.ParseFromString(file.read())
    if tensor.data_type not in DATATYPES:
        return {"name": value.name, "kind": TensorProto.DataType.Name(tensor.data_type)}
    data = bytes_of(numpy_helper.to_array(tensor))
    offset = tensors.tell()
    tensors.write(data)
    return {
        "name": value.name,
        "kind": "tensor",
        "datatype": DATATYPES[tensor.data_type],
        "shape": list(tensor.dims),
        "offset": offset,
        "length": len(data),
    }


def bytes_of(array):
    if array.dtype != np.object_:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    elements = [element if isinstance(element, bytes) else str(element).encode() for element in array.flat]
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


if __name__ == "__main__":
    main(sys.argv[1])
