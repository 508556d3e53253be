"""The life of a multi-model endpoint with boto3, from its bucket to its deletion. AWS_ENDPOINT_URL says where."""

import datetime
import sys
import threading
import time

import archives
from endpoint_calls import IMAGE, OFTEN, ROLE, body, client, eventually, scaled_by
from runner import checks_of, run

MODELS = [f"scale-{factor:02}.tar.gz" for factor in range(1, 13)]
FIT = 5
VARIANT = [{"Name": "EndpointName", "Value": "story"}, {"Name": "VariantName", "Value": "AllTraffic"}]
RESOURCE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/story/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


class Story:
    def __init__(self):
        self.s3 = client("s3")
        self.sagemaker = client("sagemaker")
        self.runtime = client("sagemaker-runtime")
        self.cloudwatch = client("cloudwatch")
        self.scaling = client("application-autoscaling")
        self.began = datetime.datetime.now(datetime.timezone.utc)

    def invoke(self, model, **more):
        answer = self.runtime.invoke_endpoint(
            EndpointName="story", TargetModel=model, ContentType="application/json", Body=body(), **more
        )
        return scaled_by(answer)

    def wait(self, waiter="endpoint_in_service"):
        self.sagemaker.get_waiter(waiter).wait(EndpointName="story", WaiterConfig=OFTEN)

    def endpoint(self):
        return self.sagemaker.describe_endpoint(EndpointName="story")

    def variant(self):
        (variant,) = self.endpoint()["ProductionVariants"]
        return variant

    def statistics(self, metric, statistic, namespace="AWS/SageMaker"):
        """One statistic over the whole story."""
        answer = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=VARIANT,
            StartTime=self.began - datetime.timedelta(minutes=1),
            EndTime=self.began + datetime.timedelta(minutes=59),
            Period=3600,
            Statistics=[statistic],
        )
        points = [point[statistic] for point in answer["Datapoints"]]
        return {"Sum": sum, "Maximum": max, "Minimum": min, "SampleCount": sum}[statistic](points) if points else None


def check_a_bucket_with_12_archives(story):
    story.s3.create_bucket(Bucket="story-models")
    for factor, model in enumerate(MODELS, start=1):
        put = story.s3.put_object(
            Bucket="story-models", Key=f"mme/{model}", Body=archives.archive(archives.gpu_model(factor))
        )
        assert put["ETag"].startswith('"'), put
    pages = story.s3.get_paginator("list_objects_v2").paginate(
        Bucket="story-models", Prefix="mme/", PaginationConfig={"PageSize": 5}
    )
    assert [found["Key"] for page in pages for found in page["Contents"]] == [f"mme/{model}" for model in MODELS]


def check_a_large_archive_goes_up_in_parts(story):
    # Above 8 MiB boto3 uploads in parts; random bytes, which do not compress.
    import io
    import random

    content = random.Random(1).randbytes(18 * 2**20)
    story.s3.upload_fileobj(io.BytesIO(content), "story-models", "elsewhere/large.bin")
    back = io.BytesIO()
    story.s3.download_fileobj("story-models", "elsewhere/large.bin", back)
    assert back.getvalue() == content
    assert story.s3.head_object(Bucket="story-models", Key="elsewhere/large.bin")["ETag"].endswith('-3"')


def check_model_config_and_endpoint(story):
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://story-models/mme/"}
    model = story.sagemaker.create_model(ModelName="story", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    assert model["ModelArn"] == "arn:aws:sagemaker:us-east-1:000000000000:model/story", model
    described = story.sagemaker.describe_model(ModelName="story")
    assert described["PrimaryContainer"].items() >= container.items(), described
    assert_recent(described["CreationTime"])
    create_config(story, "story-1")
    created = story.sagemaker.create_endpoint(EndpointName="story", EndpointConfigName="story-1")
    assert created["EndpointArn"] == "arn:aws:sagemaker:us-east-1:000000000000:endpoint/story", created
    story.wait()
    endpoint = story.endpoint()
    assert endpoint["EndpointStatus"] == "InService" and endpoint["EndpointConfigName"] == "story-1", endpoint
    assert_recent(endpoint["CreationTime"])
    variant = story.variant()
    assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1, variant
    assert variant["CurrentWeight"] == 1 and variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE, variant
    listed = story.sagemaker.list_endpoints(NameContains="story", StatusEquals="InService")["Endpoints"]
    assert [one["EndpointName"] for one in listed] == ["story"], listed


def check_every_model_answers_as_itself(story):
    for factor, model in enumerate(MODELS, start=1):
        assert story.invoke(model) == factor, model
    # The last ones are still there.
    for factor in range(len(MODELS) - FIT + 1, len(MODELS) + 1):
        assert story.invoke(MODELS[factor - 1]) == factor


def check_an_answer_has_the_headers_of_the_runtime(story):
    answer = story.runtime.invoke_endpoint(
        EndpointName="story",
        TargetModel=MODELS[-1],
        TargetVariant="AllTraffic",
        ContentType="application/json",
        CustomAttributes="trace=1",
        InferenceId="my-id",
        Body=body(),
    )
    assert answer["InvokedProductionVariant"] == "AllTraffic" and answer["ContentType"] == "application/json", answer
    assert scaled_by(answer) == len(MODELS)


def check_metrics_say_that_memory_holds_five(story):
    calls = len(MODELS) + FIT + 1
    hits = FIT + 1
    eventually(lambda: story.statistics("Invocations", "Sum") == calls, 5, f"{calls} invocations")
    assert story.statistics("ModelCacheHit", "SampleCount") == calls
    assert story.statistics("ModelCacheHit", "Sum") == hits, story.statistics("ModelCacheHit", "Sum")
    assert story.statistics("InvocationModelErrors", "Sum") == 0
    # Triton answers an unload after half a second at the soonest.
    unloads = story.statistics("ModelUnloadingTime", "SampleCount")
    assert unloads == len(MODELS) - FIT, unloads
    assert 500_000 <= story.statistics("ModelUnloadingTime", "Minimum"), story.statistics("ModelUnloadingTime", "Minimum")
    for metric in ("ModelLoadingTime", "ModelDownloadingTime"):
        assert story.statistics(metric, "SampleCount") >= len(MODELS), metric
    assert story.statistics("ModelLoadingWaitTime", "Maximum") > 500_000
    loaded = eventually(
        lambda: story.statistics("LoadedModelCount", "Maximum", "/aws/sagemaker/Endpoints"), 65, "LoadedModelCount"
    )
    assert loaded == FIT, loaded


def check_metric_math_and_lists(story):
    stat = {
        "Metric": {"Namespace": "AWS/SageMaker", "MetricName": "ModelCacheHit", "Dimensions": VARIANT},
        "Period": 3600,
    }
    answer = story.cloudwatch.get_metric_data(
        StartTime=story.began - datetime.timedelta(hours=1),
        EndTime=story.began + datetime.timedelta(hours=1),
        MetricDataQueries=[
            {"Id": "hits", "MetricStat": {**stat, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "calls", "MetricStat": {**stat, "Stat": "SampleCount"}, "ReturnData": False},
            {"Id": "misses", "Expression": "calls - hits", "Label": "misses"},
        ],
    )
    (misses,) = answer["MetricDataResults"]
    assert misses["StatusCode"] == "Complete" and sum(misses["Values"]) == len(MODELS), misses
    pages = story.cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/SageMaker", Dimensions=VARIANT)
    names = {metric["MetricName"] for page in pages for metric in page["Metrics"]}
    for name in ("Invocations", "ModelLatency", "OverheadLatency", "ModelCacheHit", "ModelUnloadingTime"):
        assert name in names, names


def check_the_variant_scales_out_under_load_and_in_again(story):
    story.scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=2)
    metric = {"Namespace": "Story", "MetricName": "Backlog", "Dimensions": VARIANT}
    policy = story.scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10,
            "CustomizedMetricSpecification": {
                "Metrics": [
                    {"Id": "backlog", "MetricStat": {"Metric": metric, "Stat": "Average", "Period": 10}},
                ]
            },
            "ScaleOutCooldown": 0,
            "ScaleInCooldown": 0,
        },
    )
    high, low = sorted(alarm["AlarmName"] for alarm in policy["Alarms"])
    assert high.startswith("TargetTracking-endpoint/story/variant/AllTraffic-AlarmHigh-"), high
    assert low.startswith("TargetTracking-endpoint/story/variant/AllTraffic-AlarmLow-"), low

    # A backlog of the last half minute, as if it had been measured every ten seconds.
    report(story, periods=4, value=19)
    eventually(lambda: story.variant()["DesiredInstanceCount"] == 2, 25, "2 instances are desired")
    story.wait()
    assert story.variant()["CurrentInstanceCount"] == 2
    assert alarm_states(story)[high] == "ALARM"
    assert story.invoke(MODELS[0]) == 1

    # Nothing waits any more, and has not for a quarter of an hour.
    report(story, periods=95, value=0, weight=1000)
    eventually(lambda: story.variant()["DesiredInstanceCount"] == 1, 25, "1 instance is desired")
    story.wait()
    assert alarm_states(story)[low] == "ALARM"
    assert alarm_states(story)[high] == "OK"
    activities = story.scaling.describe_scaling_activities(**RESOURCE)["ScalingActivities"]
    in_, out = [activity for activity in activities if "desired instance count" in activity["Description"]][:2]
    assert out["StatusCode"] == in_["StatusCode"] == "Successful", activities
    assert f"monitor alarm {high} in state ALARM" in out["Cause"], out
    story.scaling.delete_scaling_policy(**RESOURCE, PolicyName="backlog")
    assert alarm_states(story) == {}
    story.scaling.deregister_scalable_target(**RESOURCE)


def check_an_update_is_not_noticed_by_callers(story):
    create_config(story, "story-2", InstanceType="ml.g5.xlarge")
    before = story.endpoint()
    with Caller(story) as caller:
        eventually(lambda: caller.answers > 3, 20, "answers before the update")
        story.sagemaker.update_endpoint(EndpointName="story", EndpointConfigName="story-2")
        story.wait()
        after = caller.answers
        eventually(lambda: caller.answers > after + 3, 20, "answers after the update")
    assert caller.failures == [], caller.failures
    endpoint = story.endpoint()
    assert endpoint["EndpointConfigName"] == "story-2" and endpoint["EndpointArn"] == before["EndpointArn"], endpoint
    assert endpoint["LastModifiedTime"] > before["LastModifiedTime"]


def check_weights_and_capacities(story):
    with Caller(story) as caller:
        story.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="story",
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 3, "DesiredInstanceCount": 2}],
        )
        story.wait()
        variant = story.variant()
        assert variant["CurrentInstanceCount"] == 2 and variant["CurrentWeight"] == 3, variant
        eventually(lambda: caller.answers > 3, 20, "answers")
    assert caller.failures == [], caller.failures


def check_everything_is_deleted(story):
    story.sagemaker.delete_endpoint(EndpointName="story")
    story.wait("endpoint_deleted")
    for config in ("story-1", "story-2"):
        story.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    story.sagemaker.delete_model(ModelName="story")
    assert story.sagemaker.list_endpoints()["Endpoints"] == []
    assert story.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert story.sagemaker.list_models()["Models"] == []
    found = story.s3.list_objects_v2(Bucket="story-models")["Contents"]
    gone = story.s3.delete_objects(
        Bucket="story-models", Delete={"Objects": [{"Key": one["Key"]} for one in found], "Quiet": True}
    )
    assert "Errors" not in gone, gone
    story.s3.delete_bucket(Bucket="story-models")
    assert story.s3.list_buckets()["Buckets"] == []


class Caller:
    """Invokes one model after the other, without a pause, while the `with` lasts."""

    def __init__(self, story):
        self.answers = 0
        self.failures = []
        self._story = story
        self._stopped = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        self._thread.join()

    def _run(self):
        turn = 0
        while not self._stopped:
            factor = 1 + turn % 3
            turn += 1
            try:
                assert self._story.invoke(MODELS[factor - 1]) == factor
                self.answers += 1
            except Exception as error:  # any failure is what this is about
                self.failures.append(repr(error))
            time.sleep(0.01)


def create_config(story, name, **more):
    variant = {"VariantName": "AllTraffic", "ModelName": "story", "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
    story.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**variant, **more}])


def report(story, periods, value, weight=1):
    """Puts a value for each of the last periods of 10 s."""
    now = time.time()
    data = [
        {
            "MetricName": "Backlog",
            "Dimensions": VARIANT,
            "Timestamp": datetime.datetime.fromtimestamp(now - 10 * age, datetime.timezone.utc),
            "Values": [value],
            "Counts": [weight],
            "StorageResolution": 1,
        }
        for age in range(-1, periods)
    ]
    story.cloudwatch.put_metric_data(Namespace="Story", MetricData=data)


def alarm_states(story):
    alarms = story.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-endpoint/story/")["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


def assert_recent(time_of_it):
    age = datetime.datetime.now(datetime.timezone.utc) - time_of_it
    assert datetime.timedelta(0) <= age + datetime.timedelta(seconds=1) < datetime.timedelta(minutes=10), time_of_it


if __name__ == "__main__":
    sys.exit(run(checks_of(sys.modules[__name__]), Story()))
