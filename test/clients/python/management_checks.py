"""Health, metadata, repository, statistics and settings.

Over gRPC `client` is a `JsonAnswers`, so that both protocols are read as dictionaries; numbers of 64 bits are strings
there and default values are left out, which `number` and `get` level out.
"""

import json
import os
import time

from inference_checks import assert_simple, simple_inputs
from runner import expect_error
from tritonclient.utils import InferenceServerException

MODEL_FILE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "model-repo", "simple", "1", "model.onnx")

TIMEOUT_S = 60

EXTENSIONS = [
    "classification", "sequence", "model_repository", "model_repository(unload_dependents)", "schedule_policy",
    "model_configuration", "system_shared_memory", "cuda_shared_memory", "binary_tensor_data", "parameters",
    "statistics", "trace", "logging",
]


def number(value):
    return int(value or 0)


def expect_refusal(text, call):
    return expect_error(InferenceServerException, text, call)


def index_of(client):
    answer = client.get_model_repository_index()
    rows = answer["models"] if isinstance(answer, dict) else answer
    return {row["name"]: row for row in rows}


def config_of(client, model):
    answer = client.get_model_config(model)
    return answer.get("config", answer)


def check_health(api, client):
    assert client.is_server_live() is True
    assert client.is_server_ready() is True
    assert client.is_model_ready("simple") is True
    assert client.is_model_ready("simple", "1") is True
    assert client.is_model_ready("simple", "9") is False
    assert client.is_model_ready("nothing") is False


def check_server_metadata(api, client):
    assert client.get_server_metadata() == {"name": "triton", "version": "2.51.0", "extensions": EXTENSIONS}


def check_model_metadata(api, client):
    metadata = client.get_model_metadata("simple")
    assert metadata["versions"] == ["1"] and metadata["platform"] == "onnxruntime_onnx", metadata
    for side, prefix in (("inputs", "INPUT"), ("outputs", "OUTPUT")):
        for i, entry in enumerate(metadata[side]):
            assert (entry["name"], entry["datatype"]) == (f"{prefix}{i}", "INT32"), entry
            assert [number(dim) for dim in entry["shape"]] == [-1, 16], entry


def check_model_config(api, client):
    config = config_of(client, "simple")
    assert config["name"] == "simple" and config["backend"] == "onnxruntime", config
    assert config["max_batch_size"] == 8, config
    assert config["default_model_filename"] == "model.onnx", config
    assert [entry["data_type"] for entry in config["input"]] == ["TYPE_INT32"] * 2, config
    assert config["instance_group"][0]["name"] == "simple_0", config
    assert config["parameters"]["intra_op_thread_count"]["string_value"] == "1", config


def check_unknown_models_have_no_metadata(api, client):
    text = "Request for unknown model: 'nothing' is not found"
    expect_refusal(text, lambda: client.get_model_metadata("nothing"))
    expect_refusal(text, lambda: client.get_model_config("nothing"))
    expect_refusal("requested model 'nothing' is not available", lambda: client.get_inference_statistics("nothing"))


def check_repository_index(api, client):
    rows = index_of(client)
    assert rows["simple"] == {"name": "simple", "version": "1", "state": "READY"}, rows["simple"]
    assert list(rows) == sorted(rows)


def unload(client, model):
    """Unloads, and waits until it is done: the answer comes before, and a load meanwhile can kill the real server."""
    client.unload_model(model)
    wait_until(lambda: index_of(client).get(model, {}).get("state") in (None, "UNAVAILABLE"))


def wait_until(true):
    deadline = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < deadline, "still not so after a minute"
        time.sleep(0.005)


def check_unload_and_load(api, client):
    unload(client, "identity_uint8")
    assert client.is_model_ready("identity_uint8") is False
    client.load_model("identity_uint8")
    assert client.is_model_ready("identity_uint8") is True


def check_load_of_an_unknown_model(api, client):
    text = "failed to load 'nothing', failed to poll from model repository"
    expect_refusal(text, lambda: client.load_model("nothing"))


def check_load_with_another_config(api, client):
    config = {
        "backend": "onnxruntime",
        "max_batch_size": 2,
        "input": [{"name": f"INPUT{i}", "data_type": "TYPE_INT32", "dims": [16]} for i in range(2)],
        "output": [{"name": f"OUTPUT{i}", "data_type": "TYPE_INT32", "dims": [16]} for i in range(2)],
        "instance_group": [{"kind": "KIND_CPU", "count": 2}],
    }
    client.load_model("simple", config=json.dumps(config))
    try:
        loaded = config_of(client, "simple")
        assert loaded["max_batch_size"] == 2 and loaded["instance_group"][0]["count"] == 2, loaded
        assert_simple(client.infer("simple", simple_inputs(api)))
        client.load_model("simple")
        assert config_of(client, "simple")["max_batch_size"] == 2, "a plain load must not end the override"
    finally:
        unload(client, "simple")
        client.load_model("simple")
    assert config_of(client, "simple")["max_batch_size"] == 8


def check_load_with_files(api, client):
    config = json.dumps({"backend": "onnxruntime"})
    expect_refusal("failed to load 'sent', failed to poll from model repository", lambda: client.load_model("sent"))
    with open(MODEL_FILE, "rb") as file:
        client.load_model("sent", config=config, files={"file:3/model.onnx": file.read()})
    assert client.is_model_ready("sent", "3") is True
    assert_simple(client.infer("sent", simple_inputs(api)))
    unload(client, "sent")
    assert client.is_model_ready("sent") is False


def check_statistics_count_inferences(api, client):
    def counts():
        stats = client.get_inference_statistics("simple")["model_stats"][0]
        success = stats["inference_stats"]["success"]
        values = (stats.get("inference_count"), stats.get("execution_count"), success.get("count"), success.get("ns"))
        return [number(value) for value in values]

    *counted, time_before = counts()
    for _ in range(3):
        client.infer("simple", simple_inputs(api))
    # The real server counts a request after it has answered it.
    wait_until(lambda: counts()[:3] == [value + 3 for value in counted])
    assert counts()[3] > time_before


def check_trace_settings(api, client):
    def rate(answer):
        value = answer.get("settings", answer)["trace_rate"]
        return value["value"][0] if isinstance(value, dict) else value

    assert rate(client.get_trace_settings()) == "1000"
    assert rate(client.update_trace_settings(settings={"trace_rate": "5"})) == "5"
    assert rate(client.get_trace_settings("simple")) == "5"
    assert rate(client.update_trace_settings("simple", {"trace_rate": "7"})) == "7"
    assert rate(client.get_trace_settings()) == "5"
    assert rate(client.update_trace_settings("simple", {"trace_rate": None})) == "5"
    assert rate(client.update_trace_settings(settings={"trace_rate": None})) == "1000"
    refusal = "Unable to parse 'trace_rate', got: x"
    expect_refusal(refusal, lambda: client.update_trace_settings(settings={"trace_rate": "x"}))
    expect_refusal("Request for unknown model : nothing", lambda: client.get_trace_settings("nothing"))


def check_log_settings(api, client):
    def verbose(answer):
        value = answer.get("settings", answer)["log_verbose_level"]
        return number(value["uint32_param"]) if isinstance(value, dict) else value

    assert verbose(client.get_log_settings()) == 0
    assert verbose(client.update_log_settings({"log_verbose_level": 1})) == 1
    assert verbose(client.get_log_settings()) == 1
    assert verbose(client.update_log_settings({"log_verbose_level": 0})) == 0


def check_shared_memory_status_without_regions(api, client):
    assert not client.get_system_shared_memory_status()
    assert not client.get_cuda_shared_memory_status()
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
