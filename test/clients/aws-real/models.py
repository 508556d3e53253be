"""What the endpoints serve, in two forms: for a real tritonserver, and for ours."""

import pathlib
import sys

import archives

ACT = pathlib.Path(__file__).parents[3] / "fixtures" / "conformance" / "models" / "act.py"
FACTORS = range(1, 13)
SCALE = {factor: f"scale-{factor:02}.tar.gz" for factor in FACTORS}

# Holds a place of its own in a folder that all models of the server share, and finds it full when there are five.
SCALING = '''
import fcntl, json, os
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        self.factor = float(json.loads(args["model_config"])["parameters"]["factor"]["string_value"])
        self.place = None
        gpu = os.environ["AWS_REAL_GPU"]
        with open(os.path.join(os.path.dirname(gpu), "gpu.lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if len(os.listdir(gpu)) >= 5:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.50 GiB")
            self.place = os.path.join(gpu, str(os.getpid()))
            open(self.place, "w").close()

    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("OUT", self.scaled(request))]) for request in requests]

    def scaled(self, request):
        return (pb.get_input_tensor_by_name(request, "IN").as_numpy() * self.factor).astype("float32")

    def finalize(self):
        if self.place is not None:
            os.unlink(self.place)
'''


def scaling(side, factor):
    """Files of a model with OUT = factor * IN, of which five fit: Python for the real server, ONNX on a simulated GPU for ours."""
    if side == "ours":
        return archives.gpu_model(factor)
    files = archives.python_model(SCALING)
    files["config.pbtxt"] += f'parameters {{ key: "factor" value {{ string_value: "{factor}" }} }}\n'
    return files


def act(init=""):
    """Files of the model of the conformance tests that does what it is told, at load and in input CMD."""
    config = f"""backend: "python"
input {{ name: "CMD" data_type: TYPE_STRING dims: [ 1 ] }}
output {{ name: "OUT" data_type: TYPE_STRING dims: [ 1 ] }}
instance_group {{ kind: KIND_CPU count: 1 }}
parameters {{ key: "init" value {{ string_value: "{init}" }} }}
"""
    return {"config.pbtxt": config, "1/model.py": ACT.read_bytes()}


def broken():
    """Archives whose models do not load, by name."""
    config = archives.scaling_model(1)["config.pbtxt"]
    no_model = {"config.pbtxt": config, "1/model.onnx": b"no model"}
    return {
        "no-backend.tar.gz": {"config.pbtxt": 'backend: "no-such-backend"', "1/nothing": b""},
        "no-model.tar.gz": no_model,
        "no-version.tar.gz": {"config.pbtxt": config},
        "raises.tar.gz": act("raise:ValueError:no weights"),
        "no-memory.tar.gz": act("raise:MemoryError:"),
        "cuda.tar.gz": act("raise:RuntimeError:CUDA out of memory. Tried to allocate 20.00 MiB"),
        # The container takes its name for the words of an exhausted memory: 507, though nothing would help.
        "BLOOM.tar.gz": no_model,
    }


def main():
    """Lays the model of an endpoint of one model into a repository."""
    for path, content in act().items():
        file = pathlib.Path(sys.argv[1], "act", path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


if __name__ == "__main__":
    main()
