import type { Clock } from "../../common/clock.ts";
import { type Operation, operation } from "../wire/json-service.ts";
import { Timestamp } from "../wire/timestamp.ts";
import { arnOf } from "./arns.ts";
import { controlPlaneErrors } from "./errors.ts";
import {
  type CreateEndpointConfigInput,
  createEndpointConfigShape,
  endpointConfigNameShape,
  listEndpointConfigsShape,
  type ProductionVariantInput,
} from "./input-shapes.ts";
import { pageOf, unchanging } from "./listing.ts";
import type { Registry } from "./registry.ts";

export const endpointConfigOperations = (
  registry: Registry,
  clock: Clock,
): Readonly<Record<string, Operation>> => ({
  CreateEndpointConfig: operation(createEndpointConfigShape, (input, { region }) => {
    const { EndpointConfigName: name } = input;
    checkVariants(input, registry, region);
    if (registry.get("endpoint-config", region, name) !== undefined)
      throw controlPlaneErrors.alreadyExists(region, "endpoint-config", name);
    const arn = arnOf(region, "endpoint-config", name);
    registry.setTags(arn, input.Tags ?? []);
    registry.put("endpoint-config", region, name, {
      createdMs: clock.epochMs(),
      input: {
        ...input,
        ProductionVariants: input.ProductionVariants.map(withDefaults),
        ShadowProductionVariants: input.ShadowProductionVariants?.map(withDefaults),
      },
    });
    return { EndpointConfigArn: arn };
  }),
  DescribeEndpointConfig: operation(endpointConfigNameShape, ({ EndpointConfigName: name }, { region }) => {
    const record = registry.get("endpoint-config", region, name);
    if (record === undefined) throw controlPlaneErrors.notFound(region, "endpoint-config", name);
    const { Tags: _tags, EnableNetworkIsolation = false, ...input } = record.input;
    return {
      ...input,
      EnableNetworkIsolation,
      EndpointConfigArn: arnOf(region, "endpoint-config", name),
      CreationTime: new Timestamp(record.createdMs),
    };
  }),
  ListEndpointConfigs: operation(listEndpointConfigsShape, (input, { region }) => {
    const find = (name: string) => unchanging(name, registry.get("endpoint-config", region, name));
    const { items, nextToken } = pageOf(
      registry.index("endpoint-config", region),
      find,
      input,
      "CreationTime",
    );
    return {
      EndpointConfigs: items.map(({ name, createdMs }) => ({
        EndpointConfigName: name,
        EndpointConfigArn: arnOf(region, "endpoint-config", name),
        CreationTime: new Timestamp(createdMs),
      })),
      NextToken: nextToken,
    };
  }),
  DeleteEndpointConfig: operation(endpointConfigNameShape, ({ EndpointConfigName: name }, { region }) => {
    if (registry.get("endpoint-config", region, name) === undefined)
      throw controlPlaneErrors.notFound(region, "endpoint-config", name);
    registry.delete("endpoint-config", region, name);
    return {};
  }),
});

/** AWS names each variant's weight and count even where nobody gave one. */
const withDefaults = (variant: ProductionVariantInput): ProductionVariantInput => ({
  ...variant,
  InitialInstanceCount: variant.InitialInstanceCount ?? 1,
  InitialVariantWeight: variant.InitialVariantWeight ?? 1,
});

/** Not hosted with many models: AWS lists the families that are (spec/sagemaker-mme.md 6). */
const withoutMultiModel = /^ml\.inf/;

const checkVariants = (
  { ProductionVariants, ShadowProductionVariants = [] }: CreateEndpointConfigInput,
  registry: Registry,
  region: string,
): void => {
  const all = [...ProductionVariants, ...ShadowProductionVariants];
  const names = all.map(({ VariantName }) => VariantName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw controlPlaneErrors.refused(`Duplicate variant name "${twice}": variant names have to be unique.`);
  if (
    ShadowProductionVariants.length > 0 &&
    (ShadowProductionVariants.length > 1 || ProductionVariants.length > 1)
  ) {
    throw controlPlaneErrors.refused(
      "Only one production variant and one shadow variant can be specified when ShadowProductionVariants is used.",
    );
  }
  for (const variant of all) checkVariant(variant, registry, region);
};

const checkVariant = (variant: ProductionVariantInput, registry: Registry, region: string): void => {
  const { ModelName, InstanceType, InstancePools, ServerlessConfig, VariantName } = variant;
  if (ServerlessConfig !== undefined) throw controlPlaneErrors.notEmulated("Serverless variants are");
  if (ModelName === undefined) throw controlPlaneErrors.notEmulated("Variants for inference components are");
  if (InstancePools !== undefined) throw controlPlaneErrors.notEmulated("Instance pools are");
  if (InstanceType === undefined)
    throw controlPlaneErrors.refused(`InstanceType is required for production variant ${VariantName}.`);
  const model = registry.get("model", region, ModelName)?.input;
  if (model === undefined) throw controlPlaneErrors.notFound(region, "model", ModelName);
  const container = model.PrimaryContainer ?? model.Containers?.[0];
  if (container?.Mode === "MultiModel" && withoutMultiModel.test(InstanceType))
    throw controlPlaneErrors.unsupportedMode(InstanceType);
};
