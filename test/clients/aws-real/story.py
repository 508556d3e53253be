"""The life of a multi-model endpoint, each call and its answer as a line of JSON. Run with the side: ours or real."""

import datetime
import itertools
import json
import sys
import threading

import archives
import models
from endpoint_calls import IMAGE, OFTEN, ROLE, body, client, eventually
from models import FACTORS, SCALE
from recorder import Recorder, invoked

ENDPOINT = "story"
VARIANT = "AllTraffic"
FIT = 5
DIMENSIONS = [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": VARIANT}]
ENDPOINTS = "/aws/sagemaker/Endpoints"
# How many and how much of it: both are the same whatever the container's speed.
COUNTED = (
    "Invocations",
    "InvocationsPerInstance",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "InvocationModelErrors",
    "ModelCacheHit",
)
TIMED = (
    "ModelLatency",
    "OverheadLatency",
    "ModelLoadingWaitTime",
    "ModelLoadingTime",
    "ModelDownloadingTime",
    "ModelUnloadingTime",
)
# Triton looks half a second after an unload at the soonest whether it has ended.
UNLOAD_US = 500_000

REQUESTS = {
    "no JSON": "{",
    "no inputs": '{"inputs":[]}',
    "wrong name": body().replace('"IN"', '"X"'),
    "wrong shape": body((1, 2, 3)),
    "wrong type": body().replace("FP32", "INT32"),
    "nothing": "",
}
# What a model raises: the container answers 400, and 507 where its words are those of an exhausted memory.
COMMANDS = (
    "echo:right",
    "raise:ValueError:no such row",
    "error:NOT_FOUND:no such row",
    "error:UNAVAILABLE:try later",
    "error:INTERNAL:broken",
    "error:UNSUPPORTED:not here",
    "raise:MemoryError:",
    "raise:RuntimeError:CUDA out of memory. Tried to allocate 20.00 MiB",
    "error:INTERNAL:No space left on device",
    "error:INTERNAL:Cannot allocate memory",
)


class Story(Recorder):
    def __init__(self, side):
        self.side = side
        self.s3, self.sagemaker = client("s3"), client("sagemaker")
        self.runtime, self.cloudwatch = client("sagemaker-runtime"), client("cloudwatch")
        self.began = datetime.datetime.now(datetime.timezone.utc)

    def invoke(self, model, request, **more):
        return invoked(
            self.runtime.invoke_endpoint(
                EndpointName=ENDPOINT, TargetModel=model, ContentType="application/json", Body=request, **more
            )
        )

    def answers(self, model, request=body(), what="right", **more):
        self.call(f"invoke {model}: {what}", lambda: self.invoke(model, request, **more))

    def wait(self, waiter="endpoint_in_service"):
        self.sagemaker.get_waiter(waiter).wait(EndpointName=ENDPOINT, WaiterConfig=OFTEN)

    def describe(self):
        self.call("describe_endpoint", lambda: self.sagemaker.describe_endpoint(EndpointName=ENDPOINT))

    def statistic(self, metric, statistic, namespace="AWS/SageMaker"):
        """Over the whole story; None = there is no datapoint."""
        points = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=DIMENSIONS,
            StartTime=self.began - datetime.timedelta(minutes=1),
            EndTime=self.began + datetime.timedelta(minutes=59),
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        values = [point[statistic] for point in points]
        joined = {"Sum": sum, "SampleCount": sum, "Minimum": min, "Maximum": max}[statistic]
        return joined(values) if values else None

    def metrics(self, when, calls):
        eventually(lambda: self.statistic("Invocations", "Sum") == calls, 20, f"{calls} invocations in CloudWatch")
        for metric in COUNTED:
            self.tell(f"{metric}, {when}", {name: self.statistic(metric, name) for name in ("Sum", "SampleCount")})
        for metric in TIMED:
            self.tell(f"{metric}, {when}", {"SampleCount": self.statistic(metric, "SampleCount")})

    def create(self):
        self.call("create_bucket", lambda: self.s3.create_bucket(Bucket="real"))
        contents = {SCALE[factor]: models.scaling(self.side, factor) for factor in FACTORS}
        contents.update({"act.tar.gz": models.act(), **models.broken()})
        for name, files in contents.items():
            archive = archives.archive(files)
            self.call(f"put_object {name}", lambda: self.s3.put_object(Bucket="real", Key=f"mme/{name}", Body=archive))
        cut = archives.archive(contents["act.tar.gz"])[:400]
        self.call("put_object cut.tar.gz", lambda: self.s3.put_object(Bucket="real", Key="mme/cut.tar.gz", Body=cut))
        self.call("list_objects_v2", lambda: [one["Key"] for one in self.s3.list_objects_v2(Bucket="real")["Contents"]])
        container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://real/mme/"}
        model = {"ModelName": ENDPOINT, "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
        self.call("create_model", lambda: self.sagemaker.create_model(**model))
        self.config("story-1", "ml.g4dn.xlarge")
        created = {"EndpointName": ENDPOINT, "EndpointConfigName": "story-1"}
        self.call("create_endpoint", lambda: self.sagemaker.create_endpoint(**created))
        self.call("create_endpoint again", lambda: self.sagemaker.create_endpoint(**created))
        self.wait()
        self.describe()

    def config(self, name, instance_type):
        variant = {
            "VariantName": VARIANT,
            "ModelName": ENDPOINT,
            "InitialInstanceCount": 1,
            "InstanceType": instance_type,
        }
        self.call(
            f"create_endpoint_config {name}",
            lambda: self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant]),
        )

    def more_models_than_fit(self):
        for model in SCALE.values():
            self.answers(model)
        last = [*SCALE.values()][-FIT:]
        for model in last:
            self.answers(model, what="still there")
        more = {"TargetVariant": VARIANT, "CustomAttributes": "trace=1", "InferenceId": "my-id"}
        self.answers(last[-1], what="with every header", **more)
        self.metrics("memory holds five", len(SCALE) + FIT + 1)
        self.tell("an unload takes half a second", self.statistic("ModelUnloadingTime", "Minimum") >= UNLOAD_US)
        # Sampled once a minute, also in the middle of a load.
        eventually(lambda: self.loaded() == FIT, 125, f"a LoadedModelCount of {FIT}, which is {self.loaded()}")
        self.tell("LoadedModelCount", self.loaded())

    def loaded(self):
        """As it was sampled last; None = it was not yet."""
        points = self.cloudwatch.get_metric_statistics(
            Namespace=ENDPOINTS,
            MetricName="LoadedModelCount",
            Dimensions=DIMENSIONS,
            StartTime=self.began - datetime.timedelta(minutes=1),
            EndTime=self.began + datetime.timedelta(minutes=59),
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
        return max(points, key=lambda point: point["Timestamp"])["Maximum"] if points else None

    def update_while_called(self):
        self.config("story-2", "ml.g4dn.xlarge")
        with Caller(self) as calls:
            eventually(lambda: calls.answers > 3, 30, "answers before the update")
            update = {"EndpointName": ENDPOINT, "EndpointConfigName": "story-2"}
            self.call("update_endpoint", lambda: self.sagemaker.update_endpoint(**update))
            self.call("update_endpoint at once again", lambda: self.sagemaker.update_endpoint(**update))
            self.wait()
            after = calls.answers
            eventually(lambda: calls.answers > after + 3, 60, "answers after the update")
            weights = [{"VariantName": VARIANT, "DesiredWeight": 3, "DesiredInstanceCount": 1}]
            self.call(
                "update_endpoint_weights_and_capacities",
                lambda: self.sagemaker.update_endpoint_weights_and_capacities(
                    EndpointName=ENDPOINT, DesiredWeightsAndCapacities=weights
                ),
            )
            self.wait()
        self.tell("failures while it was updated", calls.failures)
        self.describe()

    def what_goes_wrong(self):
        before = self.statistic("Invocations", "Sum")
        calls = 0
        for what, request in REQUESTS.items():
            self.answers(SCALE[1], request, what)
            calls += 1
        for command in COMMANDS:
            self.answers("act.tar.gz", told(command), command)
            calls += 1
        for model in [*models.broken(), "cut.tar.gz", "nobody.tar.gz", "../up.tar.gz"]:
            self.answers(model)
        for what, more in {
            "no target": {},
            "another variant": {"TargetModel": SCALE[1], "TargetVariant": "other"},
        }.items():
            self.call(f"invoke: {what}", lambda: self.runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=body(), **more))
        self.answers(SCALE[1], what="right after all that")
        self.errors(before)

    def errors(self, before):
        eventually(lambda: self.statistic("Invocations", "Sum") > before, 20, "invocations in CloudWatch")
        for metric in ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"):
            self.tell(f"{metric}, with what went wrong", self.statistic(metric, "Sum"))

    def delete(self):
        self.call("delete_endpoint", lambda: self.sagemaker.delete_endpoint(EndpointName=ENDPOINT))
        self.wait("endpoint_deleted")
        self.answers(SCALE[1], what="after the deletion")
        for name in ("story-1", "story-2"):
            self.call(
                f"delete_endpoint_config {name}",
                lambda: self.sagemaker.delete_endpoint_config(EndpointConfigName=name),
            )
        self.call("delete_model", lambda: self.sagemaker.delete_model(ModelName=ENDPOINT))
        self.call("list_endpoints", self.sagemaker.list_endpoints)
        keys = [{"Key": one["Key"]} for one in self.s3.list_objects_v2(Bucket="real")["Contents"]]
        self.call("delete_objects", lambda: self.s3.delete_objects(Bucket="real", Delete={"Objects": keys, "Quiet": True}))
        self.call("delete_bucket", lambda: self.s3.delete_bucket(Bucket="real"))


class Caller:
    """Invokes three models in turn, one call after the other, while the `with` lasts."""

    def __init__(self, story):
        self.answers = 0
        self.failures = []
        self._story = story
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()

    def _run(self):
        for factor in itertools.cycle((10, 11, 12)):
            if self._stopped.wait(0.01):
                return
            try:
                answer = self._story.invoke(SCALE[factor], body())
                data = json.loads(answer["body"])["outputs"][0]["data"]
                if data != [factor * value for value in (1, 2, 3, 4)]:
                    self.failures.append(f"{factor}: {data}")
                self.answers += 1
            except Exception as error:  # any failure is what this is about
                self.failures.append(repr(error))


def told(command):
    return json.dumps({"inputs": [{"name": "CMD", "datatype": "BYTES", "shape": [1], "data": [command]}]})


def main():
    story = Story(sys.argv[1])
    story.create()
    story.more_models_than_fit()
    story.update_while_called()
    story.what_goes_wrong()
    story.delete()
    return 0


if __name__ == "__main__":
    sys.exit(main())
