import type { Invocation } from "../aws/placement/instance-agent.ts";
import { fromPlatform, localEndpoint, type PlatformAnswer } from "../aws/placement/platform-answer.ts";
import { runtimeErrors } from "../aws/runtime/runtime-errors.ts";
import { Endpoint } from "../aws/sagemaker/endpoint.ts";
import { controlPlaneErrors } from "../aws/sagemaker/errors.ts";
import type { Fleet } from "../aws/sagemaker/fleet.ts";
import { createEndpointConfigShape, createModelShape } from "../aws/sagemaker/input-shapes.ts";
import type { EndpointRecord } from "../aws/sagemaker/registry.ts";
import { AwsError } from "../aws/wire/aws-error.ts";
import { DEFAULT_REGION } from "../aws/wire/aws-request.ts";
import { readInput } from "../aws/wire/shapes.ts";
import type { Clock } from "../common/clock.ts";
import type { Random } from "../common/random.ts";
import type { JournalWriter } from "../journal/event.ts";
import type { Answer } from "./http-port.ts";
import type { EndpointChange } from "./observed.ts";

export interface HostedEndpointOptions {
  readonly clock: Clock;
  readonly journal: JournalWriter;
  readonly random: Random;
  readonly fleet: Fleet;
}

export interface EndpointWords {
  readonly name: string;
  readonly instances: number;
  /** How long a container may take to pass its health check; undefined = the platform's own limit. */
  readonly startupLimitUs: number | undefined;
}

/** An endpoint that is created while the scenario runs: SageMaker's, on the scenario's clock and instances. */
export class HostedEndpoint {
  readonly #options: HostedEndpointOptions;
  /** Null = not created yet, or deleted. */
  #endpoint: Endpoint | null = null;
  readonly #changes: EndpointChange[] = [];

  constructor(options: HostedEndpointOptions) {
    this.#options = options;
  }

  /** In order. */
  get changes(): readonly EndpointChange[] {
    return this.#changes;
  }

  /** Answers as CreateEndpoint does: at once, whatever comes of it. */
  create(words: EndpointWords): Answer {
    const { clock, journal, random, fleet } = this.#options;
    const endpoint = new Endpoint({
      region: DEFAULT_REGION,
      record: recordOf(words, clock.epochMs()),
      fleet,
      clock,
      journal,
      random,
      provisionUs: 0,
      save: () => {},
      saveLater: () => this.#note(endpoint.status, endpoint.failureReason),
      resized: () => {},
      removed: () => {
        this.#endpoint = null;
        this.#note("Deleted", null);
      },
    });
    this.#endpoint = endpoint;
    this.#note("Creating", null);
    endpoint.start();
    return { status: 200, text: "" };
  }

  /** As DeleteEndpoint answers. */
  delete(name: string): Answer {
    try {
      if (this.#endpoint === null) throw controlPlaneErrors.notFound(DEFAULT_REGION, "endpoint", name);
      this.#endpoint.delete();
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return { status: error.status, text: error.message };
    }
    this.#note("Deleting", null);
    return { status: 200, text: "" };
  }

  /** Answers once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const [variant] = this.#endpoint?.runtime().variants ?? [];
    if (variant === undefined) this.#refuse(call, answered);
    else variant.invoke(call, answered);
  }

  /** As the runtime does while no variant serves. */
  #refuse({ requestId, targetModel }: Invocation, answered: (answer: PlatformAnswer) => void): void {
    const { message } = runtimeErrors.endpointNotFound(this.#endpoint?.name ?? "");
    const content = fromPlatform({ type: "ValidationError", message });
    const { status, from } = content;
    const { journal } = this.#options;
    const subject = { model: targetModel, request: requestId };
    journal.write({ ...subject, event: "invocation", cacheHit: false });
    journal.write({ ...subject, event: "answer", status, from, durationUs: 0, text: message });
    const times = { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 };
    answered({ ...content, cacheHit: false, times });
  }

  #note(status: EndpointChange["status"], failureReason: string | null): void {
    const { clock, journal } = this.#options;
    this.#changes.push({ atUs: clock.now(), status, failureReason });
    journal.write({
      event: "step",
      did: `the endpoint is ${status}${failureReason === null ? "" : `: ${failureReason}`}`,
    });
  }
}

const VARIANT = "AllTraffic";
const MODEL = "model";

/** What the control plane keeps of an endpoint with one variant of many models. */
const recordOf = ({ name, instances, startupLimitUs }: EndpointWords, nowMs: number): EndpointRecord => ({
  name,
  createdMs: nowMs,
  modifiedMs: nowMs,
  state: "active",
  failureReason: undefined,
  hasServed: false,
  deployment: {
    config: readInput(
      createEndpointConfigShape,
      {
        EndpointConfigName: name,
        ProductionVariants: [
          {
            VariantName: VARIANT,
            ModelName: MODEL,
            ContainerStartupHealthCheckTimeoutInSeconds:
              startupLimitUs === undefined ? undefined : startupLimitUs / 1e6,
          },
        ],
      },
      "json",
    ),
    models: [
      readInput(
        createModelShape,
        {
          ModelName: MODEL,
          PrimaryContainer: { Mode: "MultiModel", ModelDataUrl: localEndpoint.modelDataUrl },
        },
        "json",
      ),
    ],
    capacities: [{ variant: VARIANT, weight: 1, count: instances }],
    deploymentConfig: undefined,
  },
});
