"""An endpoint of one model: what its container answers with 400, 404, 500 and 503. Each answer is a line of JSON."""

import json
import sys

import archives
import models
from endpoint_calls import IMAGE, OFTEN, ROLE, client
from recorder import Recorder, invoked

ENDPOINT = "single"
MODEL = "act"
COMMANDS = (
    "echo:right",
    "raise:ValueError:no such row",
    "error:NOT_FOUND:no such row",
    "error:UNAVAILABLE:try later",
    "error:INTERNAL:broken",
    "error:UNSUPPORTED:not here",
    "error:INVALID_ARG:no",
    "raise:MemoryError:",
    "error:INTERNAL:No space left on device",
)


def told(command):
    return json.dumps({"inputs": [{"name": "CMD", "datatype": "BYTES", "shape": [1], "data": [command]}]})


def main():
    recorder = Recorder()
    s3, sagemaker, runtime = client("s3"), client("sagemaker"), client("sagemaker-runtime")
    s3.create_bucket(Bucket="single")
    s3.put_object(Bucket="single", Key="model.tar.gz", Body=archives.archive(models.act(), MODEL))
    container = {"Image": IMAGE, "ModelDataUrl": "s3://single/model.tar.gz"}
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": ENDPOINT,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.c5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig=OFTEN)

    def call(what, request, **more):
        send = {"EndpointName": ENDPOINT, "ContentType": "application/json", "Body": request, **more}
        recorder.call(f"one model: {what}", lambda: invoked(runtime.invoke_endpoint(**send)))

    for command in COMMANDS:
        call(command, told(command))
    call("no JSON", "{")
    call("a target", told("echo:right"), TargetModel="a.tar.gz")
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT, WaiterConfig=OFTEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
