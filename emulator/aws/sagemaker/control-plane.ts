import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { Random } from "../../common/random.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { ObjectSource } from "../object-store/object-store.ts";
import type { Endpoints, RuntimeEndpoint } from "../runtime/endpoints.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { OperationService } from "../wire/json-service.ts";
import { Endpoint, type ServingFleet } from "./endpoint.ts";
import { endpointConfigOperations } from "./endpoint-config-operations.ts";
import { EndpointOperations } from "./endpoint-operations.ts";
import type { EndpointInstance, Fleet } from "./fleet.ts";
import type { DataCaptureConfig } from "./input-shapes.ts";
import { InstanceCounts } from "./instance-counts.ts";
import { modelOperations } from "./model-operations.ts";
import { type EndpointRecord, Registry } from "./registry.ts";
import type { StateStore } from "./state-store.ts";
import { tagOperations } from "./tag-operations.ts";

export interface ControlPlaneOptions {
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly log: Log;
  readonly seed: number;
  readonly fleet: Fleet;
  readonly store: StateStore;
  /** Where the archives of models lie. Absent = CreateModel does not look for them. */
  readonly modelData?: ObjectSource;
  /** From the order of an instance to the start of its container, microseconds. Default 0. */
  readonly provisionUs?: number;
  /** How many instances of a type may run or be ordered, as a service quota. Default 100. */
  readonly instanceLimit?: number;
}

/** What of a variant is scaled. */
export interface VariantCapacity {
  readonly currentCount: number;
  readonly desiredCount: number;
  /** False = nothing of the endpoint can be changed now. */
  readonly canChange: boolean;
}

/** Names of the variants of an endpoint that are scalable targets. */
export type ScaledVariants = (region: string, endpointName: string) => readonly string[];

/**
 * SageMaker's control plane: models, endpoint configurations and endpoints (spec/sagemaker-mme.md 5.1). What it answered is in
 * its store; endpoints that are there are started again with it.
 */
export class ControlPlane implements Endpoints {
  readonly service: OperationService;
  readonly #options: ControlPlaneOptions;
  readonly #registry: Registry;
  readonly #random: Random;
  readonly #endpointOperations: EndpointOperations;
  /** By region and name in lower case. */
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #instanceCounts = new InstanceCounts();
  #scaled: ScaledVariants = () => [];
  readonly #deletionListeners: ((region: string, endpointName: string) => void)[] = [];

  /** @throws where the store cannot be read */
  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#registry = new Registry(options.store);
    this.#random = new Random(options.seed);
    const registry = this.#registry;
    this.#endpointOperations = new EndpointOperations({
      registry,
      clock: options.clock,
      instanceLimit: options.instanceLimit ?? 100,
      find: (region, name) => this.#endpoints.get(keyOf(region, name)),
      instancesInUse: (type) => this.#instanceCounts.of(type),
      scaled: (region, name) => this.#scaled(region, name),
      begin: (region, record) => this.#begin(region, record),
    });
    this.service = {
      service: "sagemaker",
      operations: {
        ...modelOperations(registry, options.clock, options.modelData ?? null),
        ...endpointConfigOperations(registry, options.clock),
        ...this.#endpointOperations.operations,
        ...tagOperations(registry),
      },
    };
    for (const { region, record } of registry.endpoints()) this.#begin(region, record);
  }

  /** The case of the name counts here. */
  find(name: string, region: string): RuntimeEndpoint | null {
    const endpoint = this.#endpoints.get(keyOf(region, name));
    return endpoint === undefined || endpoint.name !== name ? null : endpoint.runtime();
  }

  /** Calls it when an endpoint that was deleted is gone. */
  onDeleted(listener: (region: string, endpointName: string) => void): void {
    this.#deletionListeners.push(listener);
  }

  /** Asks it before an update: a variant that is scaled keeps its instance type, and stays. */
  keepScaled(scaled: ScaledVariants): void {
    this.#scaled = scaled;
  }

  /** Of the deployment that serves. */
  dataCaptureOf(region: string, endpointName: string): DataCaptureConfig | undefined {
    return this.#endpoints.get(keyOf(region, endpointName))?.deployment.config.DataCaptureConfig;
  }

  /** Null = there is no such variant. */
  variantCapacity(region: string, endpointName: string, variantName: string): VariantCapacity | null {
    const endpoint = this.#endpoints.get(keyOf(region, endpointName));
    const variant = endpoint?.variants().find(({ input }) => input.VariantName === variantName);
    if (endpoint === undefined || variant === undefined) return null;
    return {
      currentCount: variant.currentCount,
      desiredCount: variant.desiredCount,
      canChange: endpoint.status === "InService",
    };
  }

  /**
   * As UpdateEndpointWeightsAndCapacities does with `DesiredInstanceCount`.
   * @returns false = it refuses: there is no such variant, or the endpoint cannot be changed now
   */
  scaleVariant(region: string, endpointName: string, variantName: string, count: number): boolean {
    try {
      this.#endpointOperations.scale(region, endpointName, [
        { variant: variantName, weight: undefined, count },
      ]);
      return true;
    } catch (error) {
      if (error instanceof AwsError) return false;
      throw error;
    }
  }

  /** Of all endpoints, those that serve. */
  fleets(): readonly ServingFleet[] {
    return this.#all().flatMap(([, endpoint]) => endpoint.fleets);
  }

  instances(): readonly EndpointInstance[] {
    return this.fleets().flatMap(({ instances }) => instances);
  }

  /** Models, and what the platform knows of them, are gone from all instances; the endpoints stay. */
  async reset(): Promise<void> {
    await Promise.all(
      this.instances().map((instance) => new Promise<void>((resolve) => instance.reset(resolve))),
    );
  }

  /** Ends all instances; what is in the store stays. */
  stop(): void {
    for (const [, endpoint] of this.#all()) endpoint.stop();
    this.#endpoints.clear();
    this.#registry.close();
  }

  #all(): [string, Endpoint][] {
    return [...this.#endpoints];
  }

  #begin(region: string, record: EndpointRecord): void {
    const { fleet, clock, journal, log, provisionUs = 0 } = this.#options;
    const { name } = record;
    const save = (changed: EndpointRecord): void => this.#registry.put("endpoint", region, name, changed);
    const endpoint = new Endpoint({
      region,
      record,
      fleet,
      clock,
      journal,
      random: this.#random,
      provisionUs,
      save,
      saveLater: (changed) => this.#tryToKeep(log, name, () => save(changed)),
      resized: () => this.#instanceCounts.set(keyOf(region, name), endpoint.variants()),
      removed: () => {
        if (this.#endpoints.get(keyOf(region, name)) !== endpoint) return;
        this.#instanceCounts.delete(keyOf(region, name));
        this.#endpoints.delete(keyOf(region, name));
        this.#tryToKeep(log, name, () => this.#registry.delete("endpoint", region, name));
        for (const listener of this.#deletionListeners) listener(region, name);
      },
    });
    this.#endpoints.set(keyOf(region, name), endpoint);
    endpoint.start();
  }

  #tryToKeep(log: Log, name: string, keep: () => void): void {
    try {
      keep();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log.error(`the state of endpoint ${name} cannot be kept: ${why}`);
    }
  }
}

const keyOf = (region: string, name: string): string => `${region}/${name.toLowerCase()}`;
