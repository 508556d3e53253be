import type { Clock } from "../../common/clock.ts";
import type { ObjectSource } from "../object-store/object-store.ts";
import { type Operation, operation } from "../wire/json-service.ts";
import { Timestamp } from "../wire/timestamp.ts";
import { arnOf } from "./arns.ts";
import { controlPlaneErrors } from "./errors.ts";
import {
  type ContainerDefinition,
  type CreateModelInput,
  createModelShape,
  listModelsShape,
  modelNameShape,
} from "./input-shapes.ts";
import { pageOf, unchanging } from "./listing.ts";
import type { Registry } from "./registry.ts";

/** @param modelData where archives lie; null = they are not looked for */
export const modelOperations = (
  registry: Registry,
  clock: Clock,
  modelData: ObjectSource | null,
): Readonly<Record<string, Operation>> => ({
  CreateModel: operation(createModelShape, (input, { region }) => {
    const { ModelName: name } = input;
    const create = (): object => {
      if (registry.get("model", region, name) !== undefined)
        throw controlPlaneErrors.alreadyExists(region, "model", name);
      const arn = arnOf(region, "model", name);
      registry.setTags(arn, input.Tags ?? []);
      registry.put("model", region, name, { createdMs: clock.epochMs(), input: withDefaults(input) });
      return { ModelArn: arn };
    };
    checkModel(input);
    const url = onlyArchiveOf(input);
    if (modelData === null || url === null || registry.get("model", region, name) !== undefined)
      return create();
    return modelData.head(url.bucket, url.key).then((found) => {
      if (found === null) throw controlPlaneErrors.modelDataNotFound(`s3://${url.bucket}/${url.key}`);
      return create();
    });
  }),
  DescribeModel: operation(modelNameShape, ({ ModelName: name }, { region }) => {
    const record = registry.get("model", region, name);
    if (record === undefined) throw controlPlaneErrors.notFound(region, "model", name);
    const { Tags: _tags, EnableNetworkIsolation = false, ...input } = record.input;
    return {
      ...input,
      EnableNetworkIsolation,
      CreationTime: new Timestamp(record.createdMs),
      ModelArn: arnOf(region, "model", name),
    };
  }),
  ListModels: operation(listModelsShape, (input, { region }) => {
    const find = (name: string) => unchanging(name, registry.get("model", region, name));
    const { items, nextToken } = pageOf(registry.index("model", region), find, input, "CreationTime");
    return {
      Models: items.map(({ name, createdMs }) => ({
        ModelName: name,
        ModelArn: arnOf(region, "model", name),
        CreationTime: new Timestamp(createdMs),
      })),
      NextToken: nextToken,
    };
  }),
  DeleteModel: operation(modelNameShape, ({ ModelName: name }, { region }) => {
    if (registry.get("model", region, name) === undefined)
      throw controlPlaneErrors.notFound(region, "model", name);
    registry.delete("model", region, name);
    return {};
  }),
});

const checkModel = ({ PrimaryContainer, Containers }: CreateModelInput): void => {
  if (PrimaryContainer !== undefined && Containers !== undefined) {
    throw controlPlaneErrors.refused(
      "Both PrimaryContainer and Containers cannot be specified. Specify only one of them.",
    );
  }
  const [container, second] = PrimaryContainer !== undefined ? [PrimaryContainer] : (Containers ?? []);
  if (container === undefined)
    throw controlPlaneErrors.refused("You must provide either a PrimaryContainer or Containers.");
  if (second !== undefined)
    throw controlPlaneErrors.notEmulated("Inference pipelines of several containers are");
  if (container.ModelPackageName !== undefined)
    throw controlPlaneErrors.notEmulated("Models from model packages are");
  if (container.ModelDataSource !== undefined)
    throw controlPlaneErrors.notEmulated("ModelDataSource (give ModelDataUrl instead) is");
  if (container.AdditionalModelDataSources !== undefined)
    throw controlPlaneErrors.notEmulated("AdditionalModelDataSources are");
  if (container.Image === undefined) throw controlPlaneErrors.refused("Container Image must be specified.");
  if (container.Mode === "MultiModel" && container.ModelDataUrl === undefined)
    throw controlPlaneErrors.refused("ModelDataUrl is required for a container in MultiModel mode.");
};

/** Of a container with one model; null = it has none, or it is not in S3. Below a prefix of many there may be nothing yet. */
const onlyArchiveOf = ({
  PrimaryContainer,
  Containers,
}: CreateModelInput): { bucket: string; key: string } | null => {
  const container = PrimaryContainer ?? Containers?.[0];
  const url = container?.Mode === "MultiModel" ? undefined : container?.ModelDataUrl;
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url ?? "") ?? [];
  return bucket === undefined || key === undefined ? null : { bucket, key };
};

/** As AWS shows them afterwards. */
const withDefaults = (input: CreateModelInput): CreateModelInput => {
  const complete = (container: ContainerDefinition): ContainerDefinition => ({
    ...container,
    Mode: container.Mode ?? "SingleModel",
    Environment: container.Environment ?? {},
  });
  return {
    ...input,
    ...(input.PrimaryContainer === undefined ? {} : { PrimaryContainer: complete(input.PrimaryContainer) }),
    ...(input.Containers === undefined ? {} : { Containers: input.Containers.map(complete) }),
  };
};
