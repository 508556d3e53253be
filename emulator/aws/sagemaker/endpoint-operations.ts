import type { Clock } from "../../common/clock.ts";
import { type Operation, operation } from "../wire/json-service.ts";
import { Timestamp } from "../wire/timestamp.ts";
import { arnOf } from "./arns.ts";
import {
  type Capacity,
  type CapacityChange,
  type Endpoint,
  type VariantState,
  variantInputs,
} from "./endpoint.ts";
import { controlPlaneErrors } from "./errors.ts";
import {
  createEndpointShape,
  endpointNameShape,
  listEndpointsShape,
  updateCapacitiesShape,
  updateEndpointShape,
} from "./input-shapes.ts";
import { pageOf } from "./listing.ts";
import type { Deployment, EndpointRecord, Registry } from "./registry.ts";

export interface EndpointOperationsOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly instanceLimit: number;
  find(region: string, name: string): Endpoint | undefined;
  /** Of a type, by all endpoints. */
  instancesInUse(instanceType: string): number;
  /** Names of the variants that Application Auto Scaling scales. */
  scaled(region: string, endpointName: string): readonly string[];
  begin(region: string, record: EndpointRecord): void;
}

export class EndpointOperations {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly #options: EndpointOperationsOptions;

  constructor(options: EndpointOperationsOptions) {
    this.#options = options;
    this.operations = {
      CreateEndpoint: operation(createEndpointShape, (input, { region }) => {
        const { EndpointName: name, EndpointConfigName, DeploymentConfig } = input;
        const { registry, clock, find, begin } = options;
        if (find(region, name) !== undefined)
          throw controlPlaneErrors.alreadyExists(region, "endpoint", name);
        const deployment = this.#deploymentOf(region, EndpointConfigName, DeploymentConfig);
        this.#checkLimits(deployment);
        const nowMs = clock.epochMs();
        const record: EndpointRecord = {
          name,
          createdMs: nowMs,
          modifiedMs: nowMs,
          state: "active",
          failureReason: undefined,
          hasServed: false,
          deployment,
        };
        const arn = arnOf(region, "endpoint", name);
        registry.setTags(arn, input.Tags ?? []);
        registry.put("endpoint", region, name, record);
        begin(region, record);
        return { EndpointArn: arn };
      }),
      DescribeEndpoint: operation(endpointNameShape, ({ EndpointName }, { region }) =>
        describe(region, this.#existing(region, EndpointName)),
      ),
      ListEndpoints: operation(listEndpointsShape, (input, { region }) => {
        const index = options.registry.index("endpoint", region);
        const find = (name: string) => listedOf(options.find(region, name));
        const { items, nextToken } = pageOf(index, find, input, "CreationTime");
        return {
          Endpoints: items.map(({ name, status, createdMs, modifiedMs }) => ({
            EndpointName: name,
            EndpointArn: arnOf(region, "endpoint", name),
            CreationTime: new Timestamp(createdMs),
            LastModifiedTime: new Timestamp(modifiedMs),
            EndpointStatus: status,
          })),
          NextToken: nextToken,
        };
      }),
      UpdateEndpoint: operation(updateEndpointShape, (input, { region }) => {
        const endpoint = this.#existing(region, input.EndpointName);
        const before = endpoint.record.deployment;
        const deploymentConfig =
          input.RetainDeploymentConfig === true ? before.deploymentConfig : input.DeploymentConfig;
        const next = this.#deploymentOf(region, input.EndpointConfigName, deploymentConfig);
        const excluded = (input.ExcludeRetainedVariantProperties ?? []).map((one) => one.VariantPropertyType);
        const deployment =
          input.RetainAllVariantProperties === true ? retain(next, before, new Set(excluded)) : next;
        this.#checkScaled(region, endpoint, deployment);
        this.#checkLimits(deployment);
        endpoint.update(deployment);
        return { EndpointArn: arnOf(region, "endpoint", endpoint.name) };
      }),
      UpdateEndpointWeightsAndCapacities: operation(updateCapacitiesShape, (input, { region }) => {
        const changes = input.DesiredWeightsAndCapacities.map((change) => ({
          variant: change.VariantName,
          weight: change.DesiredWeight,
          count: change.DesiredInstanceCount,
        }));
        const endpoint = this.scale(region, input.EndpointName, changes);
        return { EndpointArn: arnOf(region, "endpoint", endpoint.name) };
      }),
      DeleteEndpoint: operation(endpointNameShape, ({ EndpointName }, { region }) => {
        this.#existing(region, EndpointName).delete();
        return {};
      }),
    };
  }

  /** @throws AwsError */
  scale(region: string, endpointName: string, changes: readonly CapacityChange[]): Endpoint {
    const endpoint = this.#existing(region, endpointName);
    this.#checkGrowth(endpoint, changes);
    endpoint.setCapacities(changes);
    return endpoint;
  }

  #existing(region: string, name: string): Endpoint {
    const endpoint = this.#options.find(region, name);
    if (endpoint === undefined) throw controlPlaneErrors.notFound(region, "endpoint", name);
    return endpoint;
  }

  #deploymentOf(region: string, configName: string, deploymentConfig: unknown): Deployment {
    const { registry } = this.#options;
    const config = registry.get("endpoint-config", region, configName)?.input;
    if (config === undefined) throw controlPlaneErrors.notFound(region, "endpoint-config", configName);
    const variants = [...config.ProductionVariants, ...(config.ShadowProductionVariants ?? [])];
    const models = [...new Set(variants.map(({ ModelName = "" }) => ModelName))].map((name) => {
      const model = registry.get("model", region, name)?.input;
      if (model === undefined) throw controlPlaneErrors.notFound(region, "model", name);
      return model;
    });
    const capacities = variants.map(
      ({ VariantName, InitialVariantWeight = 1, InitialInstanceCount = 1 }): Capacity => ({
        variant: VariantName,
        weight: InitialVariantWeight,
        count: InitialInstanceCount,
      }),
    );
    return { config, models, capacities, deploymentConfig };
  }

  /** As AWS's guide has it, "Update endpoints that use auto scaling". */
  #checkScaled(region: string, endpoint: Endpoint, next: Deployment): void {
    const typeOf = (deployment: Deployment, name: string): string | undefined =>
      variantInputs(deployment).find(({ input }) => input.VariantName === name)?.input.InstanceType;
    const kept = this.#options
      .scaled(region, endpoint.name)
      .filter((name) => typeOf(next, name) !== typeOf(endpoint.deployment, name));
    if (kept.length > 0) throw controlPlaneErrors.scaledVariants(kept);
  }

  /** The fleet of an update stands beside the one that serves. */
  #checkLimits(deployment: Deployment): void {
    const asked = new Map<string, number>();
    for (const { input } of variantInputs(deployment)) {
      const { count = 1 } = deployment.capacities.find(({ variant }) => variant === input.VariantName) ?? {};
      const type = input.InstanceType ?? "";
      asked.set(type, (asked.get(type) ?? 0) + count);
    }
    for (const [type, count] of asked) this.#checkLimit(type, count);
  }

  #checkGrowth(endpoint: Endpoint, changes: readonly CapacityChange[]): void {
    for (const { variant, count } of changes) {
      const state = endpoint.variants().find(({ input }) => input.VariantName === variant);
      if (state === undefined || count === undefined) continue;
      this.#checkLimit(state.input.InstanceType ?? "", count - state.desiredCount);
    }
  }

  #checkLimit(type: string, delta: number): void {
    const { instanceLimit, instancesInUse } = this.#options;
    const inUse = instancesInUse(type);
    if (delta > 0 && inUse + delta > instanceLimit)
      throw controlPlaneErrors.instanceLimit(type, instanceLimit, inUse, delta);
  }
}

/** Weights and counts of the variants that stay. */
const retain = (next: Deployment, before: Deployment, excluded: ReadonlySet<string>): Deployment => ({
  ...next,
  config: excluded.has("DataCaptureConfig")
    ? next.config
    : { ...next.config, DataCaptureConfig: before.config.DataCaptureConfig },
  capacities: next.capacities.map((capacity) => {
    const old = before.capacities.find(({ variant }) => variant === capacity.variant);
    if (old === undefined) return capacity;
    return {
      variant: capacity.variant,
      weight: excluded.has("DesiredWeight") ? capacity.weight : old.weight,
      count: excluded.has("DesiredInstanceCount") ? capacity.count : old.count,
    };
  }),
});

const describe = (region: string, endpoint: Endpoint): object => {
  const { record, status, deployment, pending, changingSinceMs } = endpoint;
  const variants = endpoint.variants();
  const summary = (variant: VariantState): object => summaryOf(variant, endpoint);
  const shadows = variants.filter(({ isShadow }) => isShadow).map(summary);
  const capture = deployment.config.DataCaptureConfig;
  return {
    EndpointName: endpoint.name,
    EndpointArn: arnOf(region, "endpoint", endpoint.name),
    EndpointConfigName: deployment.config.EndpointConfigName,
    ProductionVariants: variants.filter(({ isShadow }) => !isShadow).map(summary),
    ShadowProductionVariants: shadows.length === 0 ? undefined : shadows,
    EndpointStatus: status,
    FailureReason: endpoint.failureReason ?? undefined,
    CreationTime: new Timestamp(record.createdMs),
    LastModifiedTime: new Timestamp(record.modifiedMs),
    LastDeploymentConfig: deployment.deploymentConfig,
    AsyncInferenceConfig: deployment.config.AsyncInferenceConfig,
    ExplainerConfig: deployment.config.ExplainerConfig,
    MetricsConfig: deployment.config.MetricsConfig,
    DataCaptureConfig:
      capture === undefined
        ? undefined
        : {
            EnableCapture: capture.EnableCapture ?? false,
            CaptureStatus: capture.EnableCapture === true && status === "InService" ? "Started" : "Stopped",
            CurrentSamplingPercentage: capture.InitialSamplingPercentage,
            DestinationS3Uri: capture.DestinationS3Uri,
            KmsKeyId: capture.KmsKeyId ?? "",
          },
    PendingDeploymentSummary: pending === null ? undefined : pendingSummary(pending, changingSinceMs),
  };
};

const inProgress: Readonly<Record<string, string>> = {
  Creating: "Creating",
  Updating: "Updating",
  SystemUpdating: "Updating",
  RollingBack: "Updating",
  Deleting: "Deleting",
};

const summaryOf = (variant: VariantState, { status, record, changingSinceMs }: Endpoint): object => {
  const word = inProgress[status];
  return {
    VariantName: variant.input.VariantName,
    DeployedImages: deployedImages(variant.image, record.createdMs),
    CurrentWeight: variant.currentWeight,
    DesiredWeight: variant.desiredWeight,
    CurrentInstanceCount: variant.currentCount,
    DesiredInstanceCount: variant.desiredCount,
    VariantStatus:
      word === undefined ? undefined : [{ Status: word, StartTime: new Timestamp(changingSinceMs) }],
    RoutingConfig: variant.input.RoutingConfig,
  };
};

const pendingSummary = (deployment: Deployment, startMs: number): object => ({
  EndpointConfigName: deployment.config.EndpointConfigName,
  StartTime: new Timestamp(startMs),
  ProductionVariants: deployment.config.ProductionVariants.map(({ VariantName, InstanceType }) => {
    const capacity = deployment.capacities.find(({ variant }) => variant === VariantName);
    return {
      VariantName,
      InstanceType,
      DesiredWeight: capacity?.weight,
      DesiredInstanceCount: capacity?.count,
      VariantStatus: [{ Status: "Creating", StartTime: new Timestamp(startMs) }],
    };
  }),
});

/** No image is pulled here: what is asked for is what it resolves to. */
const deployedImages = (image: string, resolvedMs: number): readonly object[] => [
  { SpecifiedImage: image, ResolvedImage: image, ResolutionTime: new Timestamp(resolvedMs) },
];

const listedOf = (endpoint: Endpoint | undefined) => {
  if (endpoint === undefined) return undefined;
  const { name, status, record } = endpoint;
  return { name, status, createdMs: record.createdMs, modifiedMs: record.modifiedMs };
};
