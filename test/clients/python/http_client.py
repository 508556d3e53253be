"""Every call of tritonclient.http, or of tritonclient.http.aio. Arguments: HOST:PORT, `sync` or `aio`."""

import asyncio
import base64
import sys

import inference_checks
import management_checks
import numpy as np
import tritonclient.http
import tritonclient.http.aio
from inference_checks import assert_simple, failing, simple_inputs, tensor
from runner import Blocking, checks_of, run


def check_json_both_ways(api, client):
    outputs = [api.InferRequestedOutput(name, binary_data=False) for name in ("OUTPUT0", "OUTPUT1")]
    result = client.infer("simple", simple_inputs(api, binary_data=False), outputs=outputs)
    assert_simple(result)
    assert "data" in result.get_output("OUTPUT0"), result.get_response()


def check_json_to_binary_and_back(api, client):
    inputs = [simple_inputs(api, binary_data=False)[0], simple_inputs(api)[1]]
    outputs = [api.InferRequestedOutput("OUTPUT0", binary_data=True), api.InferRequestedOutput("OUTPUT1", binary_data=False)]
    result = client.infer("simple", inputs, outputs=outputs)
    assert_simple(result)
    assert result.get_output("OUTPUT0")["parameters"] == {"binary_data_size": 64}


def check_strings_in_json(api, client):
    values = np.array([["plain", "grüße 世界", "\"quoted\" \\ \n"]], dtype=np.object_)
    outputs = [api.InferRequestedOutput("OUTPUT0", binary_data=False)]
    answer = client.infer("simple_identity", [tensor(api, "INPUT0", values, "BYTES", binary_data=False)], outputs=outputs)
    assert answer.get_output("OUTPUT0")["data"] == values[0].tolist(), answer.get_response()


def check_64_bit_integers_keep_their_digits_in_json(api, client):
    values = np.array([[-(2**63), 2**63 - 1, 2**53 + 1]], dtype=np.int64)
    outputs = [api.InferRequestedOutput("OUTPUT0", binary_data=False)]
    answer = client.infer("identity_int64", [tensor(api, "INPUT0", values, "INT64", binary_data=False)], outputs=outputs)
    assert answer.get_output("OUTPUT0")["data"] == values[0].tolist(), answer.get_response()


def check_fp16_is_refused_as_json(api, client):
    values = np.array([[1.5]], dtype=np.float16)
    outputs = [api.InferRequestedOutput("OUTPUT0", binary_data=False)]
    text = "sending FP16 data via JSON is not supported. Please use the binary data format for output"
    failing(api, client, text, "identity_fp16", [tensor(api, "INPUT0", values, "FP16")], outputs=outputs)


def check_compression_both_ways(api, client):
    for request in (None, "gzip", "deflate"):
        for response in (None, "gzip", "deflate"):
            for how in ({}, {"binary_data": False}):
                result = client.infer(
                    "simple",
                    simple_inputs(api, **how),
                    request_compression_algorithm=request,
                    response_compression_algorithm=response,
                )
                assert_simple(result)


def check_a_request_body_made_by_hand(api, client):
    body, length = tritonclient.http.InferenceServerClient.generate_request_body(simple_inputs(api))
    assert length is not None and len(body) > length


def check_parallel_requests(api, client):
    if api is tritonclient.http.aio:
        calls = [{"model_name": "simple", "inputs": simple_inputs(api)} for _ in range(40)]
        results = client.gather("infer", calls)
    else:
        pending = [client.async_infer("simple", simple_inputs(api)) for _ in range(40)]
        results = [request.get_result() for request in pending]
    for result in results:
        assert_simple(result)


HTTP_CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    url, flavour = sys.argv[1:3]
    checks = [*checks_of(management_checks), *checks_of(inference_checks), *HTTP_CHECKS]
    if flavour == "sync":
        with tritonclient.http.InferenceServerClient(url, concurrency=8) as client:
            sys.exit(run(checks, tritonclient.http, client))
    else:
        loop = asyncio.new_event_loop()

        async def connect():
            return tritonclient.http.aio.InferenceServerClient(url)

        client = Blocking(loop, loop.run_until_complete(connect()))
        code = run(checks, tritonclient.http.aio, client)
        client.close()
        sys.exit(code)
