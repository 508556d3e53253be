import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { EndpointStatus, RuntimeEndpoint, RuntimeVariant } from "../runtime/endpoints.ts";
import { ACCOUNT_ID } from "../wire/aws-request.ts";
import { controlPlaneErrors } from "./errors.ts";
import type { EndpointInstance, Fleet } from "./fleet.ts";
import type { ContainerDefinition, CreateModelInput, ProductionVariantInput } from "./input-shapes.ts";
import type { Deployment, EndpointRecord } from "./registry.ts";
import { VariantFleet } from "./variant-fleet.ts";

export interface EndpointOptions {
  readonly region: string;
  readonly record: EndpointRecord;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly random: Random;
  /** From the order of an instance to the start of its container, microseconds. */
  readonly provisionUs: number;
  /** Keeps the record. @throws where it cannot be kept */
  readonly save: (record: EndpointRecord) => void;
  /** The same, where nobody waits for it: what cannot be kept is said elsewhere. */
  readonly saveLater: (record: EndpointRecord) => void;
  /** `variants()` says another `desiredCount` than before. */
  readonly resized: () => void;
  /** It is deleted: nothing of it is left. */
  readonly removed: () => void;
}

/** What a variant is, and is to be. */
export interface VariantState {
  readonly input: ProductionVariantInput;
  readonly image: string;
  readonly isShadow: boolean;
  readonly currentWeight: number;
  readonly desiredWeight: number;
  readonly currentCount: number;
  readonly desiredCount: number;
}

/** Instances of a variant. */
export interface ServingFleet {
  readonly endpoint: string;
  readonly variant: string;
  readonly instances: readonly EndpointInstance[];
}

interface Variant {
  readonly input: ProductionVariantInput;
  readonly container: ContainerDefinition;
  readonly isShadow: boolean;
  readonly fleet: VariantFleet;
  weight: number;
}

export interface Capacity {
  readonly variant: string;
  readonly weight: number;
  readonly count: number;
}

/** Undefined = as it was. */
export interface CapacityChange {
  readonly variant: string;
  readonly weight: number | undefined;
  readonly count: number | undefined;
}

/** The default is not published; this is the grace that is reported (spec/sagemaker-mme.md 1.1). */
const STARTUP_LIMIT_SECONDS = 480;

/**
 * An endpoint from its creation to its deletion, on the clock: which status it has, which fleet serves, which one is coming
 * (spec/sagemaker-mme.md 5.1). What is asked of it is kept before it begins.
 */
export class Endpoint {
  readonly #options: EndpointOptions;
  #record: EndpointRecord;
  #status: EndpointStatus;
  #failureReason: string | null;
  /** Those that serve. */
  #variants: readonly Variant[] = [];
  /** Those of an update, while they start. */
  #coming: readonly Variant[] = [];
  /** What the serving variants were deployed from; null = none has served yet. */
  #serving: Deployment | null = null;
  /** Since when the status is being changed. */
  #changingSinceMs: number;
  /** Fleets that answer what they have. */
  readonly #leaving = new Set<Variant>();

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#record = options.record;
    this.#changingSinceMs = options.clock.epochMs();
    this.#failureReason = options.record.failureReason ?? null;
    this.#status = options.record.state === "failed" ? "Failed" : "Creating";
  }

  get name(): string {
    return this.#record.name;
  }

  get record(): EndpointRecord {
    return this.#record;
  }

  get status(): EndpointStatus {
    return this.#status;
  }

  get failureReason(): string | null {
    return this.#failureReason;
  }

  /** Of the deployment that serves, or is the first to. */
  get deployment(): Deployment {
    return this.#serving ?? this.#record.deployment;
  }

  /** The deployment that is to serve when the update is done; null = none is under way. */
  get pending(): Deployment | null {
    return this.#coming.length > 0 && this.#serving !== null ? this.#record.deployment : null;
  }

  get changingSinceMs(): number {
    return this.#changingSinceMs;
  }

  /** Of the variants that serve. */
  get fleets(): readonly ServingFleet[] {
    return this.#variants.map(({ input, fleet }) => ({
      endpoint: this.name,
      variant: input.VariantName,
      instances: fleet.instances,
    }));
  }

  /** Brings it up: after its creation, or after the emulator was started again. */
  start(): void {
    if (this.#record.state === "deleting") {
      this.#remove();
      return;
    }
    if (this.#record.state === "failed") {
      this.#become("Failed", this.#failureReason);
      this.#options.resized();
      return;
    }
    this.#become(this.#record.hasServed ? "SystemUpdating" : "Creating", null);
    this.#options.resized();
    this.#bringUp(this.#record.deployment, (failureReason) => {
      if (failureReason === null) this.#takeOver(this.#record.deployment);
      else {
        this.#drop(this.#coming);
        this.#coming = [];
        this.#settle("Failed", failureReason);
      }
    });
  }

  /** @throws AwsError unless it is in service */
  update(deployment: Deployment): void {
    this.#refuseUnlessStable();
    const before = this.#record;
    this.#change({ ...before, deployment }, "Updating");
    this.#bringUp(deployment, (failureReason) => {
      if (failureReason === null) {
        this.#takeOver(deployment);
        return;
      }
      this.#drop(this.#coming);
      this.#coming = [];
      this.#record = { ...this.#record, deployment: before.deployment };
      this.#become("RollingBack", failureReason);
      this.#options.clock.setTimer(0, () => {
        if (this.#status === "RollingBack") this.#settle("InService", failureReason);
      });
    });
  }

  /** @throws AwsError unless it is in service and has the variants */
  setCapacities(changes: readonly CapacityChange[]): void {
    this.#refuseUnlessStable();
    for (const { variant } of changes) {
      if (!this.#variants.some(({ input }) => input.VariantName === variant))
        throw controlPlaneErrors.unknownVariant(this.#options.region, this.name, variant);
    }
    const before = this.#record;
    const capacities = before.deployment.capacities.map((capacity): Capacity => {
      const change = changes.findLast(({ variant }) => variant === capacity.variant);
      return {
        variant: capacity.variant,
        weight: change?.weight ?? capacity.weight,
        count: change?.count ?? capacity.count,
      };
    });
    const deployment: Deployment = { ...before.deployment, capacities };
    this.#change({ ...before, deployment }, "Updating");
    this.#serve(deployment);
    this.#scale(capacities, (failureReason) => {
      if (failureReason !== null) {
        // What started stays; what did not is asked for no longer.
        const counted = capacities.map((capacity) => {
          const variant = this.#variants.find(({ input }) => input.VariantName === capacity.variant);
          return { ...capacity, count: variant?.fleet.count ?? capacity.count };
        });
        const reached = { ...deployment, capacities: counted };
        this.#serve(reached);
        this.#record = { ...this.#record, deployment: reached };
      }
      for (const variant of this.#variants) variant.weight = capacityOf(deployment, variant.input).weight;
      this.#settle("InService", failureReason);
    });
  }

  /** @throws AwsError while it is being changed */
  delete(): void {
    this.#refuseWhileChanging();
    this.#change({ ...this.#record, state: "deleting" }, "Deleting");
    const leaving = this.#variants;
    this.#variants = [];
    // Whoever asks in the same turn sees it being deleted.
    this.#options.clock.setTimer(0, () => {
      let left = leaving.length;
      if (left === 0) this.#remove();
      for (const variant of leaving) {
        this.#leave(variant, () => {
          left--;
          if (left === 0) this.#remove();
        });
      }
    });
  }

  /** Without a trace in the records: the emulator ends. */
  stop(): void {
    for (const { fleet } of [...this.#variants, ...this.#coming, ...this.#leaving]) fleet.stop();
    this.#variants = [];
    this.#coming = [];
  }

  variants(): readonly VariantState[] {
    const { deployment } = this;
    return variantInputs(deployment).map(({ input, isShadow }): VariantState => {
      const { weight, count } = capacityOf(deployment, input);
      const serving = this.#variants.find((variant) => variant.input.VariantName === input.VariantName);
      return {
        input,
        isShadow,
        image: containerOf(deployment.models, input).Image ?? "",
        currentWeight: serving?.weight ?? weight,
        desiredWeight: weight,
        currentCount: serving?.fleet.count ?? 0,
        desiredCount: count,
      };
    });
  }

  runtime(): RuntimeEndpoint {
    const output = this.deployment.config.AsyncInferenceConfig?.OutputConfig;
    const [first] = this.#variants;
    return {
      name: this.name,
      status: this.#status,
      mode: first?.container.Mode ?? "SingleModel",
      variants: this.#variants.flatMap((variant) => (variant.isShadow ? [] : [runtimeVariant(variant)])),
      shadowVariants: this.#variants.flatMap((variant) =>
        variant.isShadow ? [runtimeVariant(variant)] : [],
      ),
      async:
        output?.S3OutputPath === undefined
          ? null
          : { outputPath: output.S3OutputPath, failurePath: output.S3FailurePath ?? null },
    };
  }

  #refuseWhileChanging(): void {
    if (this.#status !== "InService" && this.#status !== "Failed")
      throw controlPlaneErrors.inProgress(this.#options.region, this.name);
  }

  #refuseUnlessStable(): void {
    this.#refuseWhileChanging();
    if (this.#status === "Failed") throw controlPlaneErrors.failedEndpoint(this.#options.region, this.name);
  }

  #change(record: EndpointRecord, status: EndpointStatus): void {
    const nowMs = this.#options.clock.epochMs();
    const changed = { ...record, modifiedMs: nowMs };
    this.#options.save(changed);
    this.#record = changed;
    this.#changingSinceMs = nowMs;
    this.#become(status, null);
  }

  #become(status: EndpointStatus, failureReason: string | null): void {
    this.#status = status;
    this.#failureReason = failureReason;
    this.#tell(status, failureReason);
  }

  #tell(status: EndpointStatus | null, failureReason: string | null): void {
    const { journal, region } = this.#options;
    journal.write({
      event: "endpoint-status",
      endpoint: this.name,
      region,
      status,
      config: this.#record.deployment.config.EndpointConfigName,
      ...(failureReason === null ? {} : { text: failureReason }),
    });
  }

  #remove(): void {
    this.#tell(null, null);
    this.#options.removed();
  }

  #settle(status: "InService" | "Failed", failureReason: string | null): void {
    const { clock, saveLater } = this.#options;
    this.#become(status, failureReason);
    this.#record = {
      ...this.#record,
      modifiedMs: clock.epochMs(),
      state: status === "Failed" ? "failed" : "active",
      hasServed: this.#record.hasServed || status === "InService",
      failureReason: failureReason ?? undefined,
    };
    saveLater(this.#record);
  }

  /** The fleets of a deployment, beside what serves. */
  #bringUp(deployment: Deployment, done: (failureReason: string | null) => void): void {
    this.#coming = variantInputs(deployment).map(({ input, isShadow }) =>
      this.#newVariant(deployment, input, isShadow),
    );
    const { capacities } = deployment;
    scaleAll(this.#coming, capacities, done);
  }

  #takeOver(deployment: Deployment): void {
    const before = this.#variants;
    this.#variants = this.#coming;
    this.#coming = [];
    this.#serve(deployment);
    for (const variant of before) this.#leave(variant, () => {});
    this.#settle("InService", null);
  }

  #serve(deployment: Deployment): void {
    this.#serving = deployment;
    this.#options.resized();
  }

  #scale(capacities: readonly Capacity[], done: (failureReason: string | null) => void): void {
    // Whoever asks in the same turn sees it being updated.
    this.#options.clock.setTimer(0, () => {
      if (this.#status === "Updating") scaleAll(this.#variants, capacities, done);
    });
  }

  #leave(variant: Variant, left: () => void): void {
    this.#leaving.add(variant);
    variant.fleet.drain(() => {
      this.#leaving.delete(variant);
      left();
    });
  }

  #drop(variants: readonly Variant[]): void {
    for (const { fleet } of variants) fleet.stop();
  }

  #newVariant(deployment: Deployment, input: ProductionVariantInput, isShadow: boolean): Variant {
    const { fleet, clock, journal, random, provisionUs, region } = this.#options;
    const container = containerOf(deployment.models, input);
    const startupSeconds = input.ContainerStartupHealthCheckTimeoutInSeconds ?? STARTUP_LIMIT_SECONDS;
    return {
      input,
      container,
      isShadow,
      weight: capacityOf(deployment, input).weight,
      fleet: new VariantFleet({
        fleet,
        clock,
        journal,
        random,
        provisionUs,
        routing: input.RoutingConfig?.RoutingStrategy ?? "LEAST_OUTSTANDING_REQUESTS",
        spec: {
          variant: input.VariantName,
          instanceType: input.InstanceType ?? "",
          container,
          volumeGb: input.VolumeSizeInGB ?? null,
          startupLimitUs: startupSeconds * 1e6,
          endpoint: {
            name: this.name,
            region,
            account: ACCOUNT_ID,
            modelDataUrl: prefixOf(container),
          },
        },
      }),
    };
  }
}

/** All at the same time. @param done called when all of them are there, or given up: with the first reason */
const scaleAll = (
  variants: readonly Variant[],
  capacities: readonly Capacity[],
  done: (failureReason: string | null) => void,
): void => {
  let left = variants.length;
  let first: string | null = null;
  for (const { fleet, input } of variants) {
    const count = capacities.find(({ variant }) => variant === input.VariantName)?.count ?? 1;
    fleet.scaleTo(count, (failureReason) => {
      left--;
      first ??= failureReason;
      if (left === 0) done(first);
    });
  }
};

export const variantInputs = ({
  config,
}: Deployment): readonly { readonly input: ProductionVariantInput; readonly isShadow: boolean }[] => [
  ...config.ProductionVariants.map((input) => ({ input, isShadow: false })),
  ...(config.ShadowProductionVariants ?? []).map((input) => ({ input, isShadow: true })),
];

export const containerOf = (
  models: readonly CreateModelInput[],
  { ModelName }: ProductionVariantInput,
): ContainerDefinition => {
  const model = models.find((one) => one.ModelName === ModelName);
  const container = model?.PrimaryContainer ?? model?.Containers?.[0];
  if (container === undefined) throw new Error(`a deployment without its model ${ModelName}`);
  return container;
};

/** Archives of many models lie below a prefix, which may be given without its slash. */
const prefixOf = ({ Mode, ModelDataUrl = "" }: ContainerDefinition): string =>
  Mode === "MultiModel" && !ModelDataUrl.endsWith("/") ? `${ModelDataUrl}/` : ModelDataUrl;

const capacityOf = ({ capacities }: Deployment, { VariantName }: ProductionVariantInput): Capacity => {
  const capacity = capacities.find(({ variant }) => variant === VariantName);
  if (capacity === undefined) throw new Error(`a deployment without the capacity of ${VariantName}`);
  return capacity;
};

const runtimeVariant = ({ input, weight, fleet }: Variant): RuntimeVariant => ({
  name: input.VariantName,
  weight,
  invoke: (call, answered) => fleet.invoke(call, answered),
});
