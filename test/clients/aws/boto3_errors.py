"""Errors of the endpoint's services, provoked with boto3 and compared with AWS's. AWS_ENDPOINT_URL says where."""

import json
import os
import sys
import threading
import urllib.request

import archives
from botocore.exceptions import ClientError, WaiterError
from endpoint_calls import ACCOUNT, IMAGE, OFTEN, ROLE, body, client, eventually, refused, scaled_by
from runner import checks_of, run

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
BODY_LIMIT = 6_291_456
NO_SUCH_DATA = (
    'Failed to download model data for container "container_1" from URL: "{url}". Please ensure that there is an object '
    "located at the URL and that the role passed to CreateModel has permissions to download the object."
)


def log_link(endpoint):
    return (
        "See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint} in account {ACCOUNT} for more information."
    )


class Errors:
    def __init__(self):
        self.s3 = client("s3")
        self.sagemaker = client("sagemaker")
        self.runtime = client("sagemaker-runtime")
        self.cloudwatch = client("cloudwatch")
        self.scaling = client("application-autoscaling")
        self.background = {}

    def put(self, key, content):
        self.s3.put_object(Bucket="errors", Key=key, Body=content)

    def create_endpoint(self, name, container, wait=True, **variant):
        self.sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, **container}
        )
        given = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**given, **variant}])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        if wait:
            self.wait(name)

    def wait(self, name, waiter="endpoint_in_service"):
        self.sagemaker.get_waiter(waiter).wait(EndpointName=name, WaiterConfig=OFTEN)

    def invoke(self, model="good.tar.gz", endpoint="multi", sent=None, **more):
        target = {} if model is None else {"TargetModel": model}
        return self.runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=sent or body(), **target, **more
        )

    def model_error(self, call, original_status, original_message, endpoint="multi", status=424):
        """A ModelError with what the container answered; `...` stands for the middle of its text."""
        whose = "client" if 400 <= original_status < 500 else "server"
        error = refused(
            call,
            "ModelError",
            status,
            f'Received {whose} error ({original_status}) from primary with message "{original_message}". {log_link(endpoint)}',
            OriginalStatusCode=original_status,
            LogStreamArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/{endpoint}",
        )
        assert error.response["OriginalMessage"] in error.response["Error"]["Message"], error.response
        return error

    def in_background(self, name, call):
        """Begins a call that takes a minute; `ended` gives a call with its outcome."""
        outcome = {}

        def begin():
            try:
                outcome["answer"] = call()
            except ClientError as error:
                outcome["error"] = error

        thread = threading.Thread(target=begin, daemon=True)
        thread.start()
        self.background[name] = (thread, outcome)

    def ended(self, name):
        thread, outcome = self.background[name]

        def again():
            thread.join(75)
            if "error" in outcome:
                raise outcome["error"]
            return outcome["answer"]

        return again

    def faults(self, *rules):
        """Replaces the fault rules of the emulator."""
        self._control("DELETE", "faults")
        if rules:
            self._control("POST", "faults", rules)

    def _control(self, method, path, sent=None):
        request = urllib.request.Request(
            f"{os.environ['AWS_ENDPOINT_URL']}/_emulator/{path}",
            method=method,
            data=None if sent is None else json.dumps(sent).encode(),
        )
        urllib.request.urlopen(request).close()


def check_endpoints_to_provoke_errors_on(errors):
    errors.s3.create_bucket(Bucket="errors")
    minute = str(90 * 10**6)
    models = {
        "good": archives.scaling_model(2),
        "fragile": archives.scaling_model(3),
        "far": archives.scaling_model(4),
        "too-large": archives.scaling_model(5, {"memory.gpu_weights_bytes": "20GiB"}, gpu=True),
        "bad-config": {"config.pbtxt": 'backend: "no-such-backend" input { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] }', "1/x": b""},
        "loads-long": archives.synthetic_model({"synthetic.load_us": minute}),
        "runs-long": archives.synthetic_model({"synthetic.warm_us": minute, "synthetic.cold_us": minute}),
        "says-much": archives.synthetic_model(output_count=4_000_000),
    }
    for name, files in models.items():
        errors.put(f"mme/{name}.tar.gz", archives.archive(files))
    errors.put("mme/no-archive.tar.gz", b"this is not one")
    errors.put("mme/leads-out.tar.gz", archives.archive({"../../escaped": b"x"}))
    errors.put("mme/cut-off.tar.gz", archives.archive(models["good"])[:200])
    errors.put("single/model.tar.gz", archives.archive(archives.scaling_model(7), folder="only"))
    errors.create_endpoint("multi", {"Mode": "MultiModel", "ModelDataUrl": "s3://errors/mme/"})
    errors.create_endpoint("single", {"ModelDataUrl": "s3://errors/single/model.tar.gz"})
    assert scaled_by(errors.invoke()) == 2
    assert scaled_by(errors.invoke(None, "single")) == 7
    # They take the minute that an invocation may take; what comes of it is looked at in the end.
    errors.in_background("load", lambda: errors.invoke("loads-long.tar.gz"))
    errors.in_background("run", lambda: errors.invoke("runs-long.tar.gz"))


# The runtime


def check_unknown_endpoint(errors):
    text = f"Endpoint nobody of account {ACCOUNT} not found."
    error = refused(lambda: errors.invoke(endpoint="nobody"), "ValidationError", 400, text)
    assert isinstance(error, errors.runtime.exceptions.ValidationError)
    # The runtime tells names apart by case.
    refused(lambda: errors.invoke(endpoint="Multi"), "ValidationError", 400, f"Endpoint Multi of account {ACCOUNT} not found.")


def check_unknown_variant(errors):
    refused(lambda: errors.invoke(TargetVariant="other"), "ValidationError", 400, "Variant other of endpoint multi not found.")


def check_target_model_missing(errors):
    error = refused(lambda: errors.invoke(None), "ValidationError", 400, "Request ... is missing a target model header")
    assert error.response["ResponseMetadata"]["RequestId"] in error.response["Error"]["Message"]


def check_target_model_to_an_endpoint_of_one_model(errors):
    text = "Endpoint single is not a multi-model endpoint and does not support target model header."
    refused(lambda: errors.invoke(endpoint="single"), "ValidationError", 400, text)


def check_target_models_that_are_no_keys(errors):
    for model in ("../mme/good.tar.gz", "a/../good.tar.gz", "./good.tar.gz", "/good.tar.gz"):
        refused(lambda model=model: errors.invoke(model), "ValidationError", 400, f"Target model '{model}' is refused: ....")


def check_target_model_too_long(errors):
    name = "a" * 1025
    text = (
        f"1 validation error detected: Value '{name}' at 'targetModel' failed to satisfy constraint: "
        "Member must have length less than or equal to 1024"
    )
    refused(lambda: errors.invoke(name), "ValidationError", 400, text)


def check_several_constraints_at_once(errors):
    long = "a" * 1025
    error = refused(lambda: errors.invoke(CustomAttributes=long, InferenceId="b" * 65), "ValidationError", 400, "2 validation errors detected: ...")
    message = error.response["Error"]["Message"]
    for member, limit in (("customAttributes", 1024), ("inferenceId", 64)):
        assert f"at '{member}' failed to satisfy constraint: Member must have length less than or equal to {limit}" in message, message
    assert message.count("; ") == 1, message


def check_archive_that_is_not_there(errors):
    url = "s3://errors/mme/nobody.tar.gz"
    refused(lambda: errors.invoke("nobody.tar.gz"), "ValidationError", 400, NO_SUCH_DATA.format(url=url))


def check_archives_that_are_none(errors):
    for name in ("no-archive", "cut-off", "leads-out"):
        text = f'Failed to extract model data archive for container "container_1" from URL "s3://errors/mme/{name}.tar.gz". ...'
        refused(lambda name=name: errors.invoke(f"{name}.tar.gz"), "ValidationError", 400, text)


def check_a_body_above_the_limit(errors):
    at_the_limit = body() + " " * (BODY_LIMIT - len(body()))
    assert scaled_by(errors.invoke(sent=at_the_limit)) == 2
    text = f"HTTP content length exceeded {BODY_LIMIT} bytes."
    refused(lambda: errors.invoke(sent=at_the_limit + " "), "413", 413, text)


def check_the_container_says_400(errors):
    error = errors.model_error(lambda: errors.invoke(sent="no json"), 400, '{"error":"..."}')
    assert isinstance(error, errors.runtime.exceptions.ModelError)
    bad = errors.model_error(lambda: errors.invoke("bad-config.tar.gz"), 400, '{"error":"...')
    assert "no-such-backend" in bad.response["OriginalMessage"], bad


def check_the_container_of_one_model_says_400(errors):
    errors.model_error(lambda: errors.invoke(None, "single", sent='{"inputs":[]}'), 400, '{"error":"..."}', endpoint="single")


def check_nobody_is_left_to_unload(errors):
    error = errors.model_error(lambda: errors.invoke("too-large.tar.gz"), 507, '{"error":"...')
    assert "Failed to allocate memory" in error.response["OriginalMessage"], error


def check_an_answer_above_the_limit(errors):
    text = f"Received server error (500) from primary and could not load the entire response body. {log_link('multi')}"
    refused(lambda: errors.invoke("says-much.tar.gz"), "ModelError", 424, text, OriginalStatusCode=500)


def check_an_asynchronous_call_of_an_endpoint_that_is_not(errors):
    def call():
        errors.runtime.invoke_endpoint_async(EndpointName="single", InputLocation="s3://errors/in")

    refused(call, "ValidationError", 400, "Endpoint single is not an asynchronous endpoint...")


def check_a_container_that_dies(errors):
    errors.faults({"operation": "infer", "model": "fragile.tar.gz", "effect": "kill", "first": 1})
    errors.create_endpoint("dies", {"Mode": "MultiModel", "ModelDataUrl": "s3://errors/mme/"})
    text = "Amazon SageMaker could not get a response from the dies endpoint. This can occur when CPU or memory utilization is high..."
    refused(lambda: errors.invoke("fragile.tar.gz", "dies"), "ModelError", 424, text, OriginalStatusCode=0)
    # It is started anew, and serves.
    eventually(lambda: answers(errors, "fragile.tar.gz", "dies"), 20, "the container has started again")
    errors.faults()


def check_a_download_that_fails(errors):
    errors.faults({"operation": "download", "model": "far.tar.gz", "effect": "fail", "message": "connection reset by peer"})
    error = refused(lambda: errors.invoke("far.tar.gz"), "InternalFailure", 500, "The model data of far.tar.gz ...")
    assert isinstance(error, errors.runtime.exceptions.InternalFailure)
    errors.faults()
    assert scaled_by(errors.invoke("far.tar.gz")) == 4


def check_no_instance(errors):
    capacity = {"VariantName": "AllTraffic", "DesiredInstanceCount": 0}
    errors.sagemaker.update_endpoint_weights_and_capacities(EndpointName="dies", DesiredWeightsAndCapacities=[capacity])
    errors.wait("dies")
    error = refused(lambda: errors.invoke(endpoint="dies"), "ServiceUnavailable", 503, "...")
    assert isinstance(error, errors.runtime.exceptions.ServiceUnavailable)


def check_what_only_a_fault_brings_about(errors):
    exceptions = errors.runtime.exceptions
    for effect, code, status in (
        ("throttled", "ThrottlingException", 400),
        ("dependency-failure", "InternalDependencyException", 530),
        ("unavailable", "ServiceUnavailable", 503),
        ("internal-failure", "InternalFailure", 500),
    ):
        errors.faults({"operation": "invoke", "effect": effect, "first": 1, "message": "on purpose"})
        error = refused(errors.invoke, code, status, "on purpose")
        # The service model has no class for throttling.
        assert code == "ThrottlingException" or isinstance(error, getattr(exceptions, code)), error
        assert scaled_by(errors.invoke()) == 2
    errors.faults()


# The control plane


def check_what_is_not_there(errors):
    sagemaker = errors.sagemaker
    endpoint = f'Could not find endpoint "{ARN}:endpoint/nobody".'
    config = f'Could not find endpoint configuration "{ARN}:endpoint-config/nobody".'
    model = f'Could not find model "{ARN}:model/nobody".'
    capacity = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    calls = [
        (endpoint, lambda: sagemaker.describe_endpoint(EndpointName="nobody")),
        (endpoint, lambda: sagemaker.delete_endpoint(EndpointName="nobody")),
        (endpoint, lambda: sagemaker.update_endpoint(EndpointName="nobody", EndpointConfigName="multi")),
        (
            endpoint,
            lambda: sagemaker.update_endpoint_weights_and_capacities(
                EndpointName="nobody", DesiredWeightsAndCapacities=capacity
            ),
        ),
        (config, lambda: sagemaker.describe_endpoint_config(EndpointConfigName="nobody")),
        (config, lambda: sagemaker.delete_endpoint_config(EndpointConfigName="nobody")),
        (config, lambda: sagemaker.create_endpoint(EndpointName="new", EndpointConfigName="nobody")),
        (config, lambda: sagemaker.update_endpoint(EndpointName="multi", EndpointConfigName="nobody")),
        (model, lambda: sagemaker.describe_model(ModelName="nobody")),
        (model, lambda: sagemaker.delete_model(ModelName="nobody")),
        (model, lambda: create_config(errors, "new", ModelName="nobody")),
    ]
    for text, call in calls:
        refused(call, "ValidationException", 400, text)
    assert "new" not in names(errors)


def check_what_is_there_already(errors):
    sagemaker = errors.sagemaker
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://errors/other/"}
    before = (sagemaker.describe_model(ModelName="multi"), sagemaker.describe_endpoint(EndpointName="multi"))
    calls = [
        ("model", "model", lambda: sagemaker.create_model(ModelName="multi", ExecutionRoleArn=ROLE, PrimaryContainer=container)),
        ("endpoint configuration", "endpoint-config", lambda: create_config(errors, "multi", ModelName="single")),
        ("endpoint", "endpoint", lambda: sagemaker.create_endpoint(EndpointName="multi", EndpointConfigName="single")),
    ]
    for words, kind, call in calls:
        text = f'Cannot create already existing {words} "{ARN}:{kind}/multi".'
        refused(call, "ValidationException", 400, text)
    after = (sagemaker.describe_model(ModelName="multi"), sagemaker.describe_endpoint(EndpointName="multi"))
    for one, other in zip(before, after):
        assert without_metadata(one) == without_metadata(other), (one, other)


def check_shapes(errors):
    long, underscored = "a" * 64, "a_b"
    too_long = (
        f"Value '{long}' at 'modelName' failed to satisfy constraint: Member must have length less than or equal to 63"
    )

    def create(name, role=ROLE):
        errors.sagemaker.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": IMAGE})

    refused(lambda: create(long), "ValidationException", 400, f"1 validation error detected: {too_long}")
    refused(
        lambda: create(underscored),
        "ValidationException",
        400,
        "1 validation error detected: Value 'a_b' at 'modelName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ...",
    )
    refused(
        lambda: create(long, "not-the-arn-of-any-role"),
        "ValidationException",
        400,
        f"2 validation errors detected: {too_long}; Value 'not-the-arn-of-any-role' at 'executionRoleArn' "
        "failed to satisfy constraint: Member must satisfy regular expression pattern: ...",
    )
    refused(
        lambda: create_config(errors, "new", InstanceType="ml.z9.huge"),
        "ValidationException",
        400,
        "1 validation error detected: Value 'ml.z9.huge' at 'productionVariants.1.member.instanceType' failed to satisfy "
        "constraint: Member must satisfy enum value set: [...]",
    )


def check_models_that_cannot_be(errors):
    def create(**arguments):
        errors.sagemaker.create_model(ModelName="new", ExecutionRoleArn=ROLE, **arguments)

    one = {"Image": IMAGE}
    both = "Both PrimaryContainer and Containers cannot be specified. Specify only one of them."
    refused(lambda: create(PrimaryContainer=one, Containers=[one]), "ValidationException", 400, both)
    missing = "s3://errors/single/nobody.tar.gz"
    refused(
        lambda: create(PrimaryContainer={"Image": IMAGE, "ModelDataUrl": missing}),
        "ValidationException",
        400,
        f"Could not find model data at {missing}.",
    )


def check_many_models_on_what_cannot(errors):
    text = "MultiModel mode is not supported for instance type ml.inf2.xlarge."
    refused(lambda: create_config(errors, "new", InstanceType="ml.inf2.xlarge"), "ValidationException", 400, text)


def check_more_instances_than_the_quota(errors):
    create_config(errors, "many", InitialInstanceCount=1000)
    text = "The account-level service limit 'ml.g4dn.xlarge for endpoint usage' is ..."
    error = refused(
        lambda: errors.sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many"),
        "ResourceLimitExceeded",
        400,
        text,
    )
    assert isinstance(error, errors.sagemaker.exceptions.ResourceLimitExceeded)
    assert "many" not in names(errors)


def check_while_it_is_created(errors):
    errors.faults({"operation": "ping", "effect": "unhealthy"})
    errors.create_endpoint("slow", {"Mode": "MultiModel", "ModelDataUrl": "s3://errors/mme/"}, wait=False)
    described = errors.sagemaker.describe_endpoint(EndpointName="slow")
    assert described["EndpointStatus"] == "Creating", described
    refused(lambda: errors.invoke(endpoint="slow"), "ValidationError", 400, f"Endpoint slow of account {ACCOUNT} not found.")
    busy = f'Cannot update in-progress endpoint "{ARN}:endpoint/slow".'
    sagemaker = errors.sagemaker
    for call in (
        lambda: sagemaker.update_endpoint(EndpointName="slow", EndpointConfigName="multi"),
        lambda: sagemaker.delete_endpoint(EndpointName="slow"),
        lambda: sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="slow", DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 1}]
        ),
    ):
        refused(call, "ValidationException", 400, busy)
    errors.faults()
    errors.wait("slow")
    assert scaled_by(errors.invoke(endpoint="slow")) == 2
    sagemaker.delete_endpoint(EndpointName="slow")
    errors.wait("slow", "endpoint_deleted")
    refused(lambda: errors.invoke(endpoint="slow"), "ValidationError", 400, f"Endpoint slow of account {ACCOUNT} not found.")


def check_an_endpoint_that_fails(errors):
    url = "s3://errors/single/gone.tar.gz"
    # It is there when the model is created, and gone when the endpoint is.
    errors.put("single/gone.tar.gz", archives.archive(archives.scaling_model(1)))
    errors.sagemaker.create_model(
        ModelName="fails", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url}
    )
    create_config(errors, "fails", ModelName="fails")
    errors.s3.delete_object(Bucket="errors", Key="single/gone.tar.gz")
    errors.sagemaker.create_endpoint(EndpointName="fails", EndpointConfigName="fails")
    try:
        errors.wait("fails")
    except WaiterError as error:
        assert error.last_response["EndpointStatus"] == "Failed", error.last_response
        assert error.last_response["FailureReason"] == NO_SUCH_DATA.format(url=url), error.last_response
    else:
        raise AssertionError("the waiter saw no failure")
    refused(
        lambda: errors.sagemaker.update_endpoint(EndpointName="fails", EndpointConfigName="multi"),
        "ValidationException",
        400,
        "...",
    )
    errors.sagemaker.delete_endpoint(EndpointName="fails")
    errors.wait("fails", "endpoint_deleted")


def check_lists_that_are_asked_wrongly(errors):
    refused(
        lambda: errors.sagemaker.list_endpoints(MaxResults=101),
        "ValidationException",
        400,
        "1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100",
    )
    refused(lambda: errors.sagemaker.list_models(NextToken="made-up"), "ValidationException", 400, "...")


# Application Auto Scaling


def check_scaling_of_what_is_not_there(errors):
    resource = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/multi/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    none = (
        "No scalable target found for service namespace: sagemaker, resource ID: endpoint/multi/variant/AllTraffic, "
        "scalable dimension: sagemaker:variant:DesiredInstanceCount"
    )
    tracking = {
        "TargetValue": 10,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }

    def put_policy(**more):
        configuration = {"TargetTrackingScalingPolicyConfiguration": {**tracking, **more}}
        errors.scaling.put_scaling_policy(
            **resource, PolicyName="p", PolicyType="TargetTrackingScaling", **configuration
        )

    error = refused(put_policy, "ObjectNotFoundException", 400, none)
    assert isinstance(error, errors.scaling.exceptions.ObjectNotFoundException)
    refused(lambda: errors.scaling.deregister_scalable_target(**resource), "ObjectNotFoundException", 400, none)
    other = {**resource, "ResourceId": "endpoint/nobody/variant/AllTraffic"}
    refused(
        lambda: errors.scaling.register_scalable_target(**other, MinCapacity=1, MaxCapacity=2),
        "ValidationException",
        400,
        "...",
    )
    refused(
        lambda: errors.scaling.register_scalable_target(**resource, MinCapacity=3, MaxCapacity=2),
        "ValidationException",
        400,
        "...",
    )
    errors.scaling.register_scalable_target(**resource, MinCapacity=1, MaxCapacity=2)
    wrong = {"PredefinedMetricSpecification": {"PredefinedMetricType": "InvocationsPerInstance"}}
    refused(lambda: put_policy(**wrong), "ValidationException", 400, "...")
    errors.scaling.deregister_scalable_target(**resource)


# CloudWatch


def check_metrics_that_are_refused(errors):
    cloudwatch = errors.cloudwatch
    period = {"StartTime": "2026-01-01T00:00:00Z", "EndTime": "2026-01-02T00:00:00Z"}
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}
    error = refused(
        lambda: cloudwatch.get_metric_statistics(
            **metric, StartTime=period["EndTime"], EndTime=period["StartTime"], Period=60, Statistics=["Sum"]
        ),
        "InvalidParameterValue",
        400,
        "The parameter StartTime must be less than the parameter EndTime.",
    )
    assert isinstance(error, cloudwatch.exceptions.InvalidParameterValueException)
    refused(
        lambda: cloudwatch.get_metric_statistics(**metric, **period, Period=61, Statistics=["Sum"]),
        "InvalidParameterValue",
        400,
        "...",
    )
    error = refused(
        lambda: cloudwatch.get_metric_statistics(**metric, **period, Period=60),
        "InvalidParameterCombination",
        400,
        "At least one of the parameters Statistics and ExtendedStatistics must be specified.",
    )
    assert isinstance(error, cloudwatch.exceptions.InvalidParameterCombinationException)
    twice = {"MetricName": "m", "Value": 1, "Values": [1]}
    refused(
        lambda: cloudwatch.put_metric_data(Namespace="Mine", MetricData=[twice]),
        "InvalidParameterCombination",
        400,
        "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive "
        "and you have specified both.",
    )
    error = refused(
        lambda: cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "m"}]),
        "MissingParameter",
        400,
        "...",
    )
    assert isinstance(error, cloudwatch.exceptions.MissingRequiredParameterException)
    refused(
        lambda: cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="-"),
        "ResourceNotFound",
        404,
        "...",
    )


# S3


def check_objects_and_buckets(errors):
    s3 = errors.s3
    gone = "The specified bucket does not exist"
    refused(lambda: s3.get_object(Bucket="nobodys-bucket", Key="k"), "NoSuchBucket", 404, gone)
    refused(lambda: s3.put_object(Bucket="nobodys-bucket", Key="k", Body=b""), "NoSuchBucket", 404, gone)
    error = refused(
        lambda: s3.get_object(Bucket="errors", Key="k"), "NoSuchKey", 404, "The specified key does not exist."
    )
    assert isinstance(error, s3.exceptions.NoSuchKey)
    refused(lambda: s3.head_object(Bucket="errors", Key="k"), "404", 404, "Not Found")
    refused(
        lambda: s3.get_object(Bucket="errors", Key="mme/no-archive.tar.gz", Range="bytes=100-"),
        "InvalidRange",
        416,
        "The requested range is not satisfiable",
    )
    refused(lambda: s3.delete_bucket(Bucket="errors"), "BucketNotEmpty", 409, "The bucket you tried to delete is not empty")
    refused(lambda: s3.create_bucket(Bucket="AB"), "InvalidBucketName", 400, "The specified bucket is not valid.")
    refused(
        lambda: s3.put_object(Bucket="errors", Key="new", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="),
        "BadDigest",
        400,
        "The Content-MD5 you specified did not match what we received.",
    )
    refused(
        lambda: s3.put_object(Bucket="errors", Key="mme/good.tar.gz", Body=b"x", IfNoneMatch="*"),
        "PreconditionFailed",
        412,
        "At least one of the pre-conditions you specified did not hold",
    )
    refused(lambda: s3.head_object(Bucket="errors", Key="new"), "404", 404, "Not Found")


def check_uploads_in_parts(errors):
    s3 = errors.s3
    no_upload = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    where = {"Bucket": "errors", "Key": "parts"}
    refused(lambda: s3.upload_part(**where, UploadId="nobody", PartNumber=1, Body=b"x"), "NoSuchUpload", 404, no_upload)
    upload = s3.create_multipart_upload(**where)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=b"x")["ETag"]}
        for number in (1, 2)
    ]

    def complete(listed):
        s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": listed})

    refused(lambda: complete(parts), "EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
    refused(lambda: complete(parts[::-1]), "InvalidPartOrder", 400, "The list of parts was not in ascending order. ...")
    refused(lambda: complete([{**parts[0], "ETag": '"0"'}]), "InvalidPart", 400, "One or more of the specified parts could not be found. ...")
    # Nothing of it is seen until it is complete.
    refused(lambda: s3.head_object(**where), "404", 404, "Not Found")
    s3.abort_multipart_upload(**where, UploadId=upload)
    refused(lambda: complete(parts), "NoSuchUpload", 404, no_upload)


# What takes its minute


def check_a_model_that_is_not_loaded_in_time(errors):
    error = refused(errors.ended("load"), "ModelNotReadyException", 429, "Model loads-long.tar.gz is not ready...")
    assert isinstance(error, errors.runtime.exceptions.ModelNotReadyException)


def check_a_container_that_does_not_answer_in_time(errors):
    text = (
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each "
        "container in Amazon CloudWatch, resolve the issue, and try again."
    )
    errors.model_error(errors.ended("run"), 0, text)


def answers(errors, model, endpoint):
    try:
        return scaled_by(errors.invoke(model, endpoint))
    except errors.runtime.exceptions.ServiceUnavailable:
        return None


def create_config(errors, name, **variant):
    given = {"VariantName": "AllTraffic", "ModelName": "multi", "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
    errors.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**given, **variant}])


def names(errors):
    sagemaker = errors.sagemaker
    return [
        *(one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]),
        *(one["ModelName"] for one in sagemaker.list_models()["Models"]),
    ]


def without_metadata(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


if __name__ == "__main__":
    sys.exit(run(checks_of(sys.modules[__name__]), Errors()))
