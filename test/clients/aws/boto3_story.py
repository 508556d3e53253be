"""The life of a multi-model endpoint with boto3, from its bucket to its deletion. AWS_ENDPOINT_URL says where."""

import datetime
import io
import itertools
import random
import sys
import threading
import time

import archives
from emulator import Emulator
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
        self.emulator = Emulator()
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

    def statistics(self, metric, statistic):
        """One statistic over the whole story."""
        answer = self.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
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


def check_another_endpoint_with_a_scaling_policy(story):
    story.s3.copy_object(Bucket="story-models", Key="busy/scale-01.tar.gz", CopySource="story-models/mme/scale-01.tar.gz")
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://story-models/busy/"}
    story.sagemaker.create_model(ModelName="busy", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    create_config(story, "busy", ModelName="busy")
    story.sagemaker.create_endpoint(EndpointName="busy", EndpointConfigName="busy")
    story.wait("busy")
    target = story.scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=3)
    assert target["ScalableTargetARN"].startswith("arn:aws:application-autoscaling:us-east-1:000000000000:"), target
    policy = story.scaling.put_scaling_policy(
        **RESOURCE,
        PolicyName="busy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 10,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
    )
    story.high, story.low = sorted(alarm["AlarmName"] for alarm in policy["Alarms"])
    assert story.high.startswith("TargetTracking-endpoint/busy/variant/AllTraffic-AlarmHigh-"), story.high
    assert story.low.startswith("TargetTracking-endpoint/busy/variant/AllTraffic-AlarmLow-"), story.low


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
    # The last one: a minute may have ended while a model was on its way out.
    minute = minute_of(story.emulator.next_minute())
    answer = story.cloudwatch.get_metric_statistics(
        Namespace="/aws/sagemaker/Endpoints",
        MetricName="LoadedModelCount",
        Dimensions=VARIANT,
        StartTime=minute - datetime.timedelta(minutes=1),
        EndTime=minute,
        Period=60,
        Statistics=["Maximum"],
    )
    assert [point["Maximum"] for point in answer["Datapoints"]] == [FIT], answer["Datapoints"]


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


def check_the_busy_variant_scales_out_under_load(story):
    assert sorted(alarm_states(story)) == [story.high, story.low]
    story.load_began = story.emulator.next_minute()
    for _ in range(3):
        assert story.variant("busy")["DesiredInstanceCount"] == 1
        for _ in range(24):
            assert story.invoke(MODELS[0], "busy") == 1
        story.emulator.next_minute()
    # Three minutes above the target: 24 of 10 for each instance.
    variant = story.variant("busy")
    assert variant["DesiredInstanceCount"] == variant["CurrentInstanceCount"] == 3, variant
    assert story.endpoint("busy")["EndpointStatus"] == "InService"
    assert alarm_states(story)[story.high] == "ALARM"
    history = story.cloudwatch.describe_alarm_history(AlarmName=story.high, HistoryItemType="StateUpdate")
    summaries = [item["HistorySummary"] for item in history["AlarmHistoryItems"]]
    assert any(summary.endswith("to ALARM") for summary in summaries), summaries
    (activity,) = scaling_activities(story)
    assert activity["StatusCode"] == "Successful", activity
    assert activity["Description"] == "Setting desired instance count to 3.", activity
    assert f"monitor alarm {story.high} in state ALARM" in activity["Cause"], activity
    began = minute_of(story.load_began)
    assert minute_of(activity["StartTime"]) == began + datetime.timedelta(minutes=3), activity


def check_it_scales_in_when_nobody_calls(story):
    story.emulator.advance("16min")
    assert story.variant("busy")["CurrentInstanceCount"] == 2, story.variant("busy")
    # One at a time, with the cooldown of five minutes between.
    story.emulator.advance("6min")
    assert story.variant("busy")["CurrentInstanceCount"] == 1, story.variant("busy")
    second, first, outward = scaling_activities(story)
    for inward in (first, second):
        assert f"monitor alarm {story.low} in state ALARM" in inward["Cause"], inward
        assert inward["StatusCode"] == "Successful", inward
    # Alarms are looked at on the minute, on a busy machine a little later: the minutes are 15 apart, not the instants.
    assert minute_of(first["StartTime"]) - minute_of(outward["StartTime"]) >= datetime.timedelta(minutes=15), (first, outward)
    assert second["StartTime"] - first["EndTime"] >= datetime.timedelta(minutes=5), (second, first)


def check_the_minutes_of_the_load_have_their_metrics(story):
    began = minute_of(story.load_began)
    minutes = [began + datetime.timedelta(minutes=minute) for minute in range(6)]
    dimensions = [{"Name": "EndpointName", "Value": "busy"}, {"Name": "VariantName", "Value": "AllTraffic"}]
    span = {"StartTime": minutes[0], "EndTime": minutes[-1]}
    stat = {
        "Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": dimensions},
        "Period": 60,
        "Stat": "Sum",
    }
    answer = story.cloudwatch.get_metric_data(
        **span, MetricDataQueries=[{"Id": "calls", "MetricStat": stat}], ScanBy="TimestampAscending"
    )
    (calls,) = answer["MetricDataResults"]
    assert calls["Timestamps"] == minutes[:5] and calls["Values"] == [24, 24, 24, 0, 0], calls
    answer = story.cloudwatch.get_metric_statistics(
        **span,
        Namespace="AWS/SageMaker",
        MetricName="InvocationsPerInstance",
        Dimensions=dimensions,
        Period=60,
        Statistics=["Sum"],
    )
    points = sorted((point["Timestamp"], point["Sum"]) for point in answer["Datapoints"])
    assert points == list(zip(minutes, [24, 24, 24, 0, 0])), points
    story.scaling.delete_scaling_policy(**RESOURCE, PolicyName="busy")
    assert alarm_states(story) == {}
    story.scaling.deregister_scalable_target(**RESOURCE)
    assert story.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def check_an_alarm_can_be_set_by_hand(story):
    story.cloudwatch.put_metric_alarm(
        AlarmName="by-hand",
        Namespace="Mine",
        MetricName="Depth",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )
    story.cloudwatch.set_alarm_state(AlarmName="by-hand", StateValue="ALARM", StateReason="to see what happens")
    (alarm,) = story.cloudwatch.describe_alarms(AlarmNames=["by-hand"])["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"]) == ("ALARM", "to see what happens"), alarm
    # Until it is judged again.
    story.emulator.advance("2min")
    (alarm,) = story.cloudwatch.describe_alarms(AlarmNames=["by-hand"])["MetricAlarms"]
    assert alarm["StateValue"] == "INSUFFICIENT_DATA", alarm
    story.cloudwatch.delete_alarms(AlarmNames=["by-hand"])


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


class Caller:
    """A thread that makes a call again and again, while the `with` lasts."""

    def __init__(self, call):
        self.answers = 0
        self.failures = []
        self._call = call
        self._stopped = False
        # The emulator is not waited for when a check has failed.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        self._thread.join()

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

    return Caller(call)


def create_config(story, name, **more):
    given = {"VariantName": "AllTraffic", "ModelName": "story", "InitialInstanceCount": 1, "InstanceType": "ml.g4dn.xlarge"}
    story.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**given, **more}])


def alarm_states(story):
    alarms = story.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-endpoint/busy/")["MetricAlarms"]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


def minute_of(instant):
    return instant.replace(second=0, microsecond=0)


def scaling_activities(story):
    """Newest first."""
    return story.scaling.describe_scaling_activities(**RESOURCE)["ScalingActivities"]


def assert_recent(time_of_it):
    age = datetime.datetime.now(datetime.timezone.utc) - time_of_it
    assert datetime.timedelta(0) <= age + datetime.timedelta(seconds=1) < datetime.timedelta(minutes=10), time_of_it


if __name__ == "__main__":
    sys.exit(run(checks_of(sys.modules[__name__]), Story()))
