"""Archives of models as a multi-model endpoint takes them. Run as a script: FOLDER COUNT."""

import io
import pathlib
import struct
import sys
import tarfile

GIB = 2**30


def scaling_model(factor, parameters=None, gpu=False):
    """Files of an ONNX model with OUT = factor * IN, FP32 [4]; `parameters` go to its configuration."""
    return {"config.pbtxt": _config("onnxruntime", parameters or {}, gpu), "1/model.onnx": _scaling_onnx(factor)}


def synthetic_model(parameters=None, output_count=4, instances=1):
    """Files of a model that runs nothing, takes the time and the bytes that `parameters` say and answers zeros."""
    return {"config.pbtxt": _config("synthetic", parameters or {}, False, output_count, instances), "1/empty": b""}


def python_model(code):
    """Files of a model of the Python backend."""
    return {"config.pbtxt": _config("python", {}, gpu=False), "1/model.py": code.encode()}


def gpu_model(factor):
    """A scaling model of 2.5 GiB on a GPU: of an ml.g4dn.xlarge, five fit."""
    return scaling_model(factor, {"memory.gpu_weights_bytes": str(5 * GIB // 2)}, gpu=True)


def archive(files, folder="model"):
    """The bytes of a .tar.gz with the files below a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{path}")
            content = content if isinstance(content, bytes) else content.encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _config(backend, parameters, gpu, output_count=4, instances=1):
    kind = "KIND_GPU" if gpu else "KIND_CPU"
    given = "".join(
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n' for key, value in parameters.items()
    )
    # Without a name: the folder of a model of its own is its name, and one among many has that of its archive.
    return f"""backend: "{backend}"
input {{ name: "IN" data_type: TYPE_FP32 dims: [ 4 ] }}
output {{ name: "OUT" data_type: TYPE_FP32 dims: [ {output_count} ] }}
instance_group {{ kind: {kind} count: {instances} }}
{given}"""


def _scaling_onnx(factor):
    tensor_type = _bytes(1, _number(1, 1) + _bytes(2, _bytes(1, _number(1, 4))))  # FLOAT, [4]
    graph = (
        _bytes(1, _text(1, "IN") + _text(1, "factor") + _text(2, "OUT") + _text(4, "Mul"))
        + _text(2, "scale")
        + _bytes(5, _number(1, 1) + _number(2, 1) + _text(8, "factor") + _bytes(9, struct.pack("<f", factor)))
        + _bytes(11, _text(1, "IN") + _bytes(2, tensor_type))
        + _bytes(12, _text(1, "OUT") + _bytes(2, tensor_type))
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 13))


def _varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, value):
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field, value):
    return _bytes(field, value.encode())


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        (folder / f"scale-{number:02}.tar.gz").write_bytes(archive(gpu_model(number)))


if __name__ == "__main__":
    main()
