"""Every call of tritonclient.grpc, or of tritonclient.grpc.aio. Arguments: HOST:PORT, `sync` or `aio`."""

import asyncio
import queue
import sys

import grpc
import inference_checks
import management_checks
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
from inference_checks import FIRST, SECOND, assert_simple, simple_inputs, tensor
from runner import Blocking, checks_of, expect_error, run
from tritonclient.utils import InferenceServerException

TIMEOUT_S = 60


class JsonAnswers:
    """Asks for dictionaries where the client knows `as_json`."""

    WITH_JSON = (
        "get_server_metadata", "get_model_metadata", "get_model_config", "get_model_repository_index",
        "get_inference_statistics", "get_trace_settings", "update_trace_settings", "get_log_settings",
        "get_system_shared_memory_status", "get_cuda_shared_memory_status",
    )

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name == "update_log_settings":
            return lambda settings: method(settings, as_json=True)
        if name in self.WITH_JSON:
            return lambda *args, **kwargs: method(*args, as_json=True, **kwargs)
        return method


def check_messages_carry_everything(api, client):
    result = client.infer("simple", simple_inputs(api), request_id="id-1")
    message = result.get_response()
    assert (message.model_name, message.model_version, message.id) == ("simple", "1", "id-1"), message
    assert [list(output.shape) for output in message.outputs] == [[1, 16], [1, 16]], message
    assert len(message.raw_output_contents) == 2, message


def check_compression(api, client):
    for algorithm in ("gzip", "deflate"):
        assert_simple(client.infer("simple", simple_inputs(api), compression_algorithm=algorithm))


def check_a_deadline(api, client):
    assert_simple(client.infer("simple", simple_inputs(api), client_timeout=TIMEOUT_S))


def check_status_codes(api, client):
    error = expect_error(
        InferenceServerException,
        "Request for unknown model: 'nothing' is not found",
        lambda: client.infer("nothing", simple_inputs(api)),
    )
    assert error.status() == "StatusCode.NOT_FOUND", error.status()


def check_parallel_requests(api, client):
    if api is tritonclient.grpc.aio:
        calls = [{"model_name": "simple", "inputs": simple_inputs(api)} for _ in range(40)]
        results = client.gather("infer", calls)
    else:
        answers = queue.Queue()
        for _ in range(40):
            client.async_infer("simple", simple_inputs(api), lambda result, error: answers.put((result, error)))
        results = []
        for _ in range(40):
            result, error = answers.get(timeout=TIMEOUT_S)
            assert error is None, error
            results.append(result)
    for result in results:
        assert_simple(result)


def stream(api, client, requests):
    """Sends all requests on one stream; (result, error) of each answer in the order of arrival, until all are there."""
    if api is tritonclient.grpc.aio:
        return client.call(stream_aio, requests)
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for request in requests:
        client.async_stream_infer(**request)
    got = [answers.get(timeout=TIMEOUT_S) for _ in requests]
    client.stop_stream()
    assert answers.empty(), "more answers than requests"
    return got


async def stream_aio(client, requests):
    async def send():
        for request in requests:
            yield request

    answers = client.stream_infer(inputs_iterator=send())
    return [answer async for answer in answers]


def check_a_stream_answers_every_request(api, client):
    requests = [
        {"model_name": "simple", "inputs": simple_inputs(api), "request_id": str(i)} for i in range(20)
    ]
    got = stream(api, client, requests)
    for result, error in got:
        assert error is None, error
        assert_simple(result)
    assert sorted(int(result.get_response().id) for result, _ in got) == list(range(20))


def check_a_stream_goes_on_after_an_error(api, client):
    requests = [
        {"model_name": "simple", "inputs": simple_inputs(api), "request_id": "right"},
        {"model_name": "nothing", "inputs": simple_inputs(api), "request_id": "wrong"},
        {"model_name": "simple", "inputs": simple_inputs(api), "request_id": "right"},
    ]
    got = stream(api, client, requests)
    errors = [error.message() for _, error in got if error is not None]
    assert errors == ["Request for unknown model: 'nothing' is not found"], errors
    for result, error in got:
        if error is None:
            assert_simple(result)


def check_a_stream_marks_final_responses_when_asked(api, client):
    request = {"model_name": "simple", "inputs": simple_inputs(api), "enable_empty_final_response": True}
    ((result, error),) = stream(api, client, [request])
    assert error is None, error
    assert result.get_response().parameters["triton_final_response"].bool_param is True


def check_strings_over_a_stream(api, client):
    values = np.array([[b"a", b"", "ö".encode()]], dtype=np.object_)
    request = {"model_name": "simple_identity", "inputs": [tensor(api, "INPUT0", values, "BYTES")]}
    ((result, error),) = stream(api, client, [request])
    assert error is None, error
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


def check_typed_contents(api, client):
    """What clients without raw contents send; tritonclient itself never does, so the stub of its package is used."""
    pb = tritonclient.grpc.service_pb2
    request = pb.ModelInferRequest(model_name="simple")
    for name, values in (("INPUT0", FIRST), ("INPUT1", SECOND)):
        entry = request.inputs.add(name=name, datatype="INT32", shape=[1, 16])
        entry.contents.int_contents.extend(values[0].tolist())
    answer = STUB.ModelInfer(request)
    first, second = (np.frombuffer(raw, np.int32) for raw in answer.raw_output_contents)
    np.testing.assert_array_equal(first, (FIRST + SECOND)[0])
    np.testing.assert_array_equal(second, (FIRST - SECOND)[0])


def check_cancelling(api, client):
    if api is tritonclient.grpc.aio:
        return
    answers = queue.Queue()
    call = client.async_infer("text_encoder", text_inputs(api), lambda result, error: answers.put((result, error)))
    call.cancel()
    result, error = answers.get(timeout=TIMEOUT_S)
    assert error is None or "cancelled" in str(error).lower(), error
    assert_simple(client.infer("simple", simple_inputs(api)))


def text_inputs(api):
    ids = np.full((16, 200), 7, dtype=np.int64)
    return [tensor(api, "input_ids", ids, "INT64"), tensor(api, "attention_mask", np.ones_like(ids), "INT64")]


GRPC_CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    url, flavour = sys.argv[1:3]
    STUB = tritonclient.grpc.service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(url))
    checks = [*checks_of(management_checks), *checks_of(inference_checks), *GRPC_CHECKS]
    if flavour == "sync":
        with tritonclient.grpc.InferenceServerClient(url) as client:
            sys.exit(run(checks, tritonclient.grpc, JsonAnswers(client)))
    else:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)

        async def connect():
            return tritonclient.grpc.aio.InferenceServerClient(url)

        client = Blocking(loop, loop.run_until_complete(connect()))
        code = run(checks, tritonclient.grpc.aio, JsonAnswers(client))
        client.close()
        sys.exit(code)
