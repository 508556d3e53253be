"""Inference as every tritonclient offers it: `api` is tritonclient.http or tritonclient.grpc (or its aio module)."""

import numpy as np
from runner import expect_error
from tritonclient.utils import InferenceServerException

FIRST = np.arange(16, dtype=np.int32).reshape(1, 16)
SECOND = np.full((1, 16), 3, dtype=np.int32)

NUMERIC_TYPES = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}


def tensor(api, name, values, datatype, **how):
    made = api.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, **how)
    return made


def simple_inputs(api, **how):
    return [tensor(api, "INPUT0", FIRST, "INT32", **how), tensor(api, "INPUT1", SECOND, "INT32", **how)]


def assert_simple(result):
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), FIRST + SECOND)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), FIRST - SECOND)


def check_all_outputs_come_when_none_is_named(api, client):
    assert_simple(client.infer("simple", simple_inputs(api)))


def check_only_the_output_asked_for_comes(api, client):
    result = client.infer("simple", simple_inputs(api), outputs=[api.InferRequestedOutput("OUTPUT1")])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), FIRST - SECOND)
    assert result.as_numpy("OUTPUT0") is None


def check_version_and_request_id_come_back(api, client):
    result = client.infer("simple", simple_inputs(api), model_version="1", request_id="id-1")
    assert_simple(result)


def check_a_batch(api, client):
    first, second = np.repeat(FIRST, 8, axis=0), np.repeat(SECOND, 8, axis=0)
    result = client.infer("simple", [tensor(api, "INPUT0", first, "INT32"), tensor(api, "INPUT1", second, "INT32")])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), first + second)


def check_every_numeric_type_keeps_its_values(api, client):
    for datatype, dtype in NUMERIC_TYPES.items():
        if datatype == "BOOL":
            values = np.array([[True, False, True]])
        elif np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            values = np.array([[limits.min, 0, limits.max]], dtype=dtype)
        else:
            limits = np.finfo(dtype)
            values = np.array([[limits.min, -0.0, limits.tiny, 1 / 3, limits.max, np.inf, -np.inf]], dtype=dtype)
        name = f"identity_{datatype.lower()}"
        answer = client.infer(name, [tensor(api, "INPUT0", values, datatype)]).as_numpy("OUTPUT0")
        assert answer.dtype == values.dtype, (datatype, answer.dtype)
        np.testing.assert_array_equal(answer, values, err_msg=datatype)


def check_strings_keep_their_bytes(api, client):
    values = np.array([[b"", b"plain", "grüße 世界".encode(), b"line\nbreak", bytes(range(1, 128))]], dtype=np.object_)
    answer = client.infer("simple_identity", [tensor(api, "INPUT0", values, "BYTES")]).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(answer, values)


def check_strings_are_computed_with(api, client):
    as_text = lambda numbers: np.array([[str(n).encode() for n in numbers[0]]], dtype=np.object_)
    inputs = [tensor(api, "INPUT0", as_text(FIRST), "BYTES"), tensor(api, "INPUT1", as_text(SECOND), "BYTES")]
    result = client.infer("simple_string", inputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0").astype(np.int32), FIRST + SECOND)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1").astype(np.int32), FIRST - SECOND)


def check_a_tensor_without_elements(api, client):
    values = np.zeros((1, 0), dtype=np.float32)
    answer = client.infer("identity_fp32", [tensor(api, "INPUT0", values, "FP32")]).as_numpy("OUTPUT0")
    assert answer.shape == (1, 0)


def check_a_large_tensor(api, client):
    values = np.random.default_rng(1).random((1, 2_000_000), dtype=np.float32)
    answer = client.infer("identity_fp32", [tensor(api, "INPUT0", values, "FP32")]).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(answer, values)


def check_classification_names_the_best_classes(api, client):
    image = np.zeros((1, 3, 224, 224), dtype=np.float32)
    image[:, 0] = 1.0
    image[:, 1:] = -1.0
    inputs = [tensor(api, "image", image, "FP32")]
    scores = client.infer("convnet", inputs).as_numpy("probabilities")[0]
    asked = [api.InferRequestedOutput("probabilities", class_count=3)]
    classes = client.infer("convnet", inputs, outputs=asked).as_numpy("probabilities")
    assert classes.shape == (1, 3) and classes.dtype == np.object_, classes
    labelled = [entry.decode().split(":") for entry in classes[0]]
    assert labelled[0][2] == "red", labelled
    best = np.argsort(-scores)[:3]
    np.testing.assert_array_equal([int(index) for _, index, _ in labelled], best)
    np.testing.assert_allclose([float(score) for score, _, _ in labelled], scores[best], atol=1e-6)


def check_an_optional_input_may_be_left_out(api, client):
    generator = np.random.default_rng(2)
    current = tensor(api, "current_image", generator.random((1, 3, 64, 64), dtype=np.float32), "FP32")
    prior = tensor(api, "prior_image", generator.random((1, 3, 64, 64), dtype=np.float32), "FP32")
    alone = client.infer("temporal_image_encoder", [current]).as_numpy("embedding")
    again = client.infer("temporal_image_encoder", [current]).as_numpy("embedding")
    both = client.infer("temporal_image_encoder", [current, prior]).as_numpy("embedding")
    np.testing.assert_allclose(alone, again, rtol=1e-5, atol=1e-6)
    assert np.abs(alone - both).max() > 1e-3


def check_texts_of_any_length(api, client):
    for length in (1, 7, 40):
        ids = np.arange(3, 3 + length, dtype=np.int64).reshape(1, length)
        inputs = [tensor(api, "input_ids", ids, "INT64"), tensor(api, "attention_mask", np.ones_like(ids), "INT64")]
        embedding = client.infer("text_encoder", inputs).as_numpy("sentence_embedding")
        assert embedding.shape == (1, 384)
        np.testing.assert_allclose(np.linalg.norm(embedding), 1, rtol=1e-4)


def check_priority_timeout_and_parameters_are_accepted(api, client):
    parameters = {"a": "text", "b": 2, "c": True}
    assert_simple(client.infer("simple", simple_inputs(api), priority=1, timeout=1_000_000, parameters=parameters))


def failing(api, client, text, *args, **kwargs):
    return expect_error(InferenceServerException, text, lambda: client.infer(*args, **kwargs))


def check_unknown_model(api, client):
    failing(api, client, "Request for unknown model: 'nothing' is not found", "nothing", simple_inputs(api))


def check_unknown_version(api, client):
    text = "Request for unknown model: 'simple' version 9 is not found"
    failing(api, client, text, "simple", simple_inputs(api), model_version="9")


def check_missing_input(api, client):
    text = (
        "[request id: <id_unknown>] expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], "
        "but missing required input(s) ['INPUT1']. Please provide all required input(s)."
    )
    failing(api, client, text, "simple", simple_inputs(api)[:1])


def check_unknown_input(api, client):
    inputs = [tensor(api, name, FIRST, "INT32") for name in ("INPUT0", "OTHER")]
    failing(api, client, "unexpected inference input 'OTHER' for model 'simple'", "simple", inputs)


def check_wrong_datatype(api, client):
    inputs = [simple_inputs(api)[0], tensor(api, "INPUT1", FIRST.astype(np.float32), "FP32")]
    text = "[request id: 7] inference input 'INPUT1' data-type is 'FP32', but model 'simple' expects 'INT32'"
    failing(api, client, text, "simple", inputs, request_id="7")


def check_wrong_shape(api, client):
    inputs = [simple_inputs(api)[0], tensor(api, "INPUT1", FIRST[:, :8], "INT32")]
    text = (
        "[request id: <id_unknown>] unexpected shape for input 'INPUT1' for model 'simple'. Expected [-1,16], got "
        "[1,8]. NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended "
        "to each input shape. If you want to specify the full shape including the batch dim in your input dims config, "
        "try setting max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
    )
    failing(api, client, text, "simple", inputs)


def check_batch_too_large(api, client):
    values = np.repeat(FIRST, 9, axis=0)
    inputs = [tensor(api, name, values, "INT32") for name in ("INPUT0", "INPUT1")]
    failing(api, client, "[request id: <id_unknown>] inference request batch-size must be <= 8 for 'simple'", "simple", inputs)


def check_unknown_output(api, client):
    outputs = [api.InferRequestedOutput("OUTPUT9")]
    failing(api, client, "unexpected inference output 'OUTPUT9' for model 'simple'", "simple", simple_inputs(api), outputs=outputs)


def check_a_model_that_fails_while_it_runs(api, client):
    values = np.array([[b"no number"] * 16], dtype=np.object_)
    inputs = [tensor(api, name, values, "BYTES") for name in ("INPUT0", "INPUT1")]
    try:
        client.infer("simple_string", inputs)
    except InferenceServerException as error:
        assert "onnx runtime error" in error.message(), error.message()
        return
    raise AssertionError("no error")
