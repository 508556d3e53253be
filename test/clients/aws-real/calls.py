"""Calls of an endpoint with boto3 whose answers depend on its container. Prints a line of JSON for each."""

import json
import sys

import archives
from botocore.exceptions import ClientError
from endpoint_calls import IMAGE, OFTEN, ROLE, body, client

ENDPOINT = "real"
MODELS = {
    **{f"scale-{factor}.tar.gz": archives.scaling_model(factor) for factor in range(1, 5)},
    "no-backend.tar.gz": {"config.pbtxt": 'backend: "no-such-backend"', "1/nothing": b""},
    "no-model.tar.gz": {"config.pbtxt": archives.scaling_model(1)["config.pbtxt"], "1/model.onnx": b"no model"},
    # The container takes its name for the words of an exhausted memory: 507, though nothing would help.
    "BLOOM.tar.gz": {"config.pbtxt": archives.scaling_model(1)["config.pbtxt"], "1/model.onnx": b"no model"},
}
REQUESTS = {
    "right": body(),
    "no json": "{",
    "no inputs": '{"inputs":[]}',
    "wrong name": body().replace('"IN"', '"X"'),
    "wrong shape": body((1, 2, 3)),
    "wrong type": body().replace("FP32", "INT32"),
}


def main():
    s3, sagemaker, runtime = client("s3"), client("sagemaker"), client("sagemaker-runtime")
    s3.create_bucket(Bucket="real")
    for name, files in MODELS.items():
        s3.put_object(Bucket="real", Key=f"mme/{name}", Body=archives.archive(files))
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://real/mme/"}
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": ENDPOINT, "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
    sagemaker.create_endpoint_config(EndpointConfigName=ENDPOINT, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT, WaiterConfig=OFTEN)

    def call(model, request):
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=ENDPOINT, TargetModel=model, ContentType="application/json", Body=REQUESTS[request]
            )
            told = {"status": 200, "type": answer["ContentType"], "body": answer["Body"].read().decode()}
        except ClientError as error:
            response = error.response
            told = {
                "status": response["ResponseMetadata"]["HTTPStatusCode"],
                "code": response["Error"]["Code"],
                "container": response.get("OriginalStatusCode"),
                "body": response.get("OriginalMessage"),
            }
        print(json.dumps({"model": model, "request": request, **told}), flush=True)

    for model in [*MODELS, "nobody.tar.gz"]:
        call(model, "right")
    for request in REQUESTS:
        call("scale-2.tar.gz", request)
    for model in MODELS:
        call(model, "right")
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT, WaiterConfig=OFTEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
