"""The life of a multi-model endpoint with boto3, from its bucket to its deletion. AWS_ENDPOINT_URL says where."""

import datetime
import io
import itertools
import random
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
    "ResourceId": "endpoint/busy/variant/AllTraffic",
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

    def invoke(self, model, endpoint="story"):
        """The factor by which the model that answered scales."""
        answer = self.runtime.invoke_endpoint(
            EndpointName=endpoint, TargetModel=model, ContentType="application/json", Body=body()
        )
        return scaled_by(answer)

    def wait(self, endpoint="story", waiter="endpoint_in_service"):
        self.sagemaker.get_waiter(waiter).wait(EndpointName=endpoint, WaiterConfig=OFTEN)

    def endpoint(self, name="story"):
        return self.sagemaker.describe_endpoint(EndpointName=name)

    def variant(self, endpoint="story"):
        (variant,) = self.endpoint(endpoint)["ProductionVariants"]
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


def check_another_endpoint_under_load_with_a_scaling_policy(story):
    # Ten at once take 0.3 s each; what comes of it is looked at further down.
    slow = archives.synthetic_model({"synthetic.warm_us": "300000"}, instances=10)
    story.s3.put_object(Bucket="story-models", Key="busy/slow.tar.gz", Body=archives.archive(slow))
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://story-models/busy/"}
    story.sagemaker.create_model(ModelName="busy", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    create_config(story, "busy", ModelName="busy", InstanceType="ml.c5.xlarge")
    story.sagemaker.create_endpoint(EndpointName="busy", EndpointConfigName="busy")
    story.wait("busy")
    target = story.scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=2)
    assert target["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:us-east-1:000000000000:"), target
    policy = story.scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="busy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 3,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
            "ScaleOutCooldown": 0,
            "ScaleInCooldown": 0,
        },
    )
    story.high, story.low = sorted(alarm["AlarmName"] for alarm in policy["Alarms"])
    assert story.high.startswith("TargetTracking-endpoint/busy/variant/AllTraffic-AlarmHigh-"), story.high
    assert story.low.startswith("TargetTracking-endpoint/busy/variant/AllTraffic-AlarmLow-"), story.low
    story.load = Callers(6, lambda: story.invoke("slow.tar.gz", "busy"))
    story.load.start()


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


def check_the_busy_variant_has_scaled_out(story):
    assert sorted(alarm_states(story)) == [story.high, story.low]
    eventually(lambda: story.variant("busy")["DesiredInstanceCount"] == 2, 60, "2 instances are desired")
    story.wait("busy")
    assert story.variant("busy")["CurrentInstanceCount"] == 2
    # It may be over: two instances have half the requests each.
    history = story.cloudwatch.describe_alarm_history(AlarmName=story.high, HistoryItemType="StateUpdate")
    summaries = [item["HistorySummary"] for item in history["AlarmHistoryItems"]]
    assert any(summary.endswith("to ALARM") for summary in summaries), summaries
    activity = eventually(lambda: finished_activity(story), 10, "the scaling activity has ended")
    assert activity["StatusCode"] == "Successful", activity
    assert f"monitor alarm {story.high} in state ALARM" in activity["Cause"], activity


def check_it_scales_in_when_nobody_calls(story):
    story.load.stop()
    assert story.load.failures == [] and story.load.answers > 20, (story.load.answers, story.load.failures)
    # By itself it would take a quarter of an hour without calls. Someone who does not wait sets the alarm by hand.
    eventually(lambda: alarm_states(story)[story.high] == "OK", 30, "nobody waits any more")
    eventually(lambda: is_asked_to_scale_in(story), 30, "1 instance is desired")
    story.wait("busy")
    assert story.variant("busy")["CurrentInstanceCount"] == 1
    inward, outward = scaling_activities(story)
    assert f"monitor alarm {story.low} in state ALARM" in inward["Cause"], inward
    assert inward["StartTime"] > outward["StartTime"]
    story.scaling.delete_scaling_policy(**RESOURCE, PolicyName="busy")
    assert alarm_states(story) == {}
    story.scaling.deregister_scalable_target(**RESOURCE)
    assert story.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def check_an_update_is_not_noticed_by_callers(story):
    create_config(story, "story-2", InstanceType="ml.g5.xlarge")
    before = story.endpoint()
    with caller(story) as calls:
        eventually(lambda: calls.answers > 3, 20, "answers before the update")
        story.sagemaker.update_endpoint(EndpointName="story", EndpointConfigName="story-2")
        story.wait()
        after = calls.answers
        eventually(lambda: calls.answers > after + 3, 20, "answers after the update")
    assert calls.failures == [], calls.failures
    endpoint = story.endpoint()
    assert endpoint["EndpointConfigName"] == "story-2" and endpoint["EndpointArn"] == before["EndpointArn"], endpoint
    assert endpoint["LastModifiedTime"] > before["LastModifiedTime"]


def check_weights_and_capacities(story):
    with caller(story) as calls:
        story.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="story",
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 3, "DesiredInstanceCount": 2}],
        )
        story.wait()
        variant = story.variant()
        assert variant["CurrentInstanceCount"] == 2 and variant["CurrentWeight"] == 3, variant
        eventually(lambda: calls.answers > 3, 20, "answers")
    assert calls.failures == [], calls.failures


def check_everything_is_deleted(story):
    for endpoint in ("story", "busy"):
        story.sagemaker.delete_endpoint(EndpointName=endpoint)
        story.wait(endpoint, "endpoint_deleted")
    for config in ("story-1", "story-2", "busy"):
        story.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    for model in ("story", "busy"):
        story.sagemaker.delete_model(ModelName=model)
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


class Callers:
    """Threads that make a call again and again, while the `with` lasts or from `start` to `stop`."""

    def __init__(self, count, call):
        self.answers = 0
        self.failures = []
        self._call = call
        self._stopped = False
        # The emulator is not waited for when a check has failed.
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def _run(self):
        while not self._stopped:
            try:
                self._call()
                self.answers += 1
            except Exception as error:  # any failure is what this is about
                self.failures.append(repr(error))
            time.sleep(0.01)


def caller(story):
    """Invokes three models in turn, and looks at every answer."""
    turns = itertools.count()

    def call():
        factor = 1 + next(turns) % 3
        assert story.invoke(MODELS[factor - 1]) == factor

    return Callers(1, call)


def create_config(story, name, **more):
    given = {"VariantName": "AllTraffic", "ModelName": "story", "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
    story.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**given, **more}])


def alarm_states(story):
    alarms = story.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-endpoint/busy/")["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


def is_asked_to_scale_in(story):
    # As long as the last data of the alarm is of the load, nothing comes of it.
    story.cloudwatch.set_alarm_state(AlarmName=story.low, StateValue="ALARM", StateReason="to see it scale in")
    return story.variant("busy")["DesiredInstanceCount"] == 1


def scaling_activities(story):
    """Newest first."""
    return story.scaling.describe_scaling_activities(**RESOURCE)["ScalingActivities"]


def finished_activity(story):
    newest = scaling_activities(story)[0]
    return newest if newest["StatusCode"] != "InProgress" else None


def assert_recent(time_of_it):
    age = datetime.datetime.now(datetime.timezone.utc) - time_of_it
    assert datetime.timedelta(0) <= age + datetime.timedelta(seconds=1) < datetime.timedelta(minutes=10), time_of_it


if __name__ == "__main__":
    sys.exit(run(checks_of(sys.modules[__name__]), Story()))
