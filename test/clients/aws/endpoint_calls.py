"""What the programs of this folder share: clients that try once, requests, and waiting."""

import json
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/service-role/Endpoints"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tritonserver:24.09-py3"
ACCOUNT = "000000000000"

# Polls often: an endpoint here needs no minutes.
OFTEN = {"Delay": 1, "MaxAttempts": 60}


def client(service, attempts=1, read_timeout=75):
    """A client for the address in AWS_ENDPOINT_URL. Retries would hide errors and count twice."""
    return boto3.client(service, config=Config(retries={"total_max_attempts": attempts}, read_timeout=read_timeout))


def body(values=(1, 2, 3, 4)):
    return json.dumps({"inputs": [{"name": "IN", "datatype": "FP32", "shape": [len(values)], "data": list(values)}]})


def scaled_by(answer):
    """The factor of the model that gave this answer to `body()`."""
    (output,) = json.loads(answer["Body"].read())["outputs"]
    factor = output["data"][0]
    assert output["data"] == [factor * value for value in (1, 2, 3, 4)], output
    return factor


def eventually(condition, seconds, what):
    """Returns what `condition` returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.25)
    raise AssertionError(f"not within {seconds} s: {what}")


def refused(call, code, status, message, **members):
    """The error of a call that AWS refuses, compared with code, status, message (`...` = anything) and further members."""
    try:
        call()
    except ClientError as error:
        response = error.response
        got = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
        assert got == (code, status), f"{got} instead of {(code, status)}: {error}"
        text = response["Error"]["Message"]
        begin, wildcard, end = message.partition("...")
        right = text.startswith(begin) and text.endswith(end) if wildcard else text == message
        assert right, f"{text!r} instead of {message!r}"
        for name, value in members.items():
            assert response.get(name) == value, f"{name} is {response.get(name)!r} instead of {value!r}"
        assert response["ResponseMetadata"]["RequestId"], "an error without a request id"
        return error
    raise AssertionError(f"no error, but {code} was expected")
