"""A model that holds a known number of bytes, and finds a GPU full that it shares with the other models: a folder with
one file for each model that is loaded, whose length is what it holds there."""

import fcntl
import json
import os

import numpy
import triton_python_backend_utils as pb_utils

FAIL = -1


class TritonPythonModel:
    def initialize(self, args):
        parameters = {
            name: value["string_value"]
            for name, value in json.loads(args["model_config"])["parameters"].items()
        }
        if "fail" in parameters:
            raise ValueError(parameters["fail"])
        self.out_of_memory = parameters["out_of_memory"]
        self.claim = None
        gpu = os.environ["AGENT_REAL_GPU"]
        bytes = int(parameters["gpu_bytes"])
        with open(os.path.join(gpu, ".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            used = sum(os.stat(entry.path).st_size for entry in os.scandir(gpu))
            if used + bytes > int(os.environ["AGENT_REAL_GPU_BYTES"]):
                self.run_out()
            claim = os.path.join(gpu, str(os.getpid()))
            with open(claim, "w") as file:
                # Sparse: a length, no content.
                file.truncate(bytes)
            self.claim = claim
        self.held = bytearray(b"x" * int(parameters["held_bytes"]))

    def run_out(self):
        if self.out_of_memory == "MemoryError":
            raise MemoryError()
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")

    def execute(self, requests):
        responses = []
        for request in requests:
            value = pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy()
            if value.flat[0] == FAIL:
                self.run_out()
            output = pb_utils.Tensor("OUTPUT", numpy.zeros_like(value))
            responses.append(pb_utils.InferenceResponse(output_tensors=[output]))
        return responses

    def finalize(self):
        if self.claim is not None:
            os.unlink(self.claim)
