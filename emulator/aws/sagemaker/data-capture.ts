import type { Clock, Timer } from "../../common/clock.ts";
import { held } from "../../common/held.ts";
import type { Log } from "../../common/log.ts";
import type { Random } from "../../common/random.ts";
import type { InvocationObserver, InvocationRecord } from "../runtime/endpoints.ts";
import type { DataCaptureConfig } from "./input-shapes.ts";

export interface DataCaptureOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Undefined = the endpoint has none. */
  readonly configOf: (region: string, endpointName: string) => DataCaptureConfig | undefined;
  /** Puts an object; rejects where it cannot. */
  readonly write: (bucket: string, key: string, content: Buffer) => Promise<void>;
}

/** So long lines are gathered for one file. */
const GATHER_US = 1_000_000;

interface File {
  readonly bucket: string;
  readonly key: string;
  readonly lines: string[];
  readonly timer: Timer;
}

/**
 * `DataCaptureConfig`: what goes into an endpoint and comes out of it, as JSON lines in S3, at
 * `<DestinationS3Uri>/<endpoint>/<variant>/<yyyy>/<mm>/<dd>/<hh>/<file>.jsonl`.
 */
export class DataCapture implements InvocationObserver {
  readonly #options: DataCaptureOptions;
  /** By destination, endpoint and variant. */
  readonly #files = new Map<string, File>();
  readonly #writes = new Set<Promise<void>>();

  constructor(options: DataCaptureOptions) {
    this.#options = options;
  }

  invoked(record: InvocationRecord): void {
    const { endpoint, region, variant, answer } = record;
    if (variant === null || answer === null) return;
    const config = this.#options.configOf(region, endpoint);
    if (config?.EnableCapture !== true) return;
    if (this.#options.random.nextUint32() % 100 >= config.InitialSamplingPercentage) return;
    const line = lineOf(record, config, this.#options.clock.epochMs());
    this.#fileOf(config.DestinationS3Uri, endpoint, variant).lines.push(line);
  }

  /** Resolves when everything that was captured is in S3. */
  async flush(): Promise<void> {
    for (const name of [...this.#files.keys()]) this.#write(name);
    await Promise.all(this.#writes);
  }

  #fileOf(destination: string, endpoint: string, variant: string): File {
    const name = `${destination}/${endpoint}/${variant}`;
    const open = this.#files.get(name);
    if (open !== undefined) return open;
    const { clock, random } = this.#options;
    const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(destination) ?? [];
    const [date, time = ""] = new Date(clock.epochMs()).toISOString().split("T");
    const [hour, minute, second] = time.split(":");
    const folder = [prefix.replace(/\/$/, ""), endpoint, variant, ...(date ?? "").split("-"), hour];
    const unique = random.nextUint32().toString(16).padStart(8, "0");
    const fileName = `${minute}-${second?.replace(".", "-").replace("Z", "")}-${unique}.jsonl`;
    const file: File = {
      bucket,
      key: [...folder.filter((part) => part !== ""), fileName].join("/"),
      lines: [],
      timer: clock.setTimer(GATHER_US, () => this.#write(name)),
    };
    this.#files.set(name, file);
    return file;
  }

  #write(name: string): void {
    const file = this.#files.get(name);
    if (file === undefined) return;
    this.#files.delete(name);
    file.timer.cancel();
    const { clock, write, log } = this.#options;
    const content = Buffer.from(file.lines.join(""));
    const written = held(clock, () => write(file.bucket, file.key, content))
      .catch((error: unknown) => {
        const why = error instanceof Error ? error.message : String(error);
        log.error(`data capture: cannot write s3://${file.bucket}/${file.key}: ${why}`);
      })
      .finally(() => this.#writes.delete(written));
    this.#writes.add(written);
  }
}

const lineOf = (
  { requestId, inferenceId, request, answer }: InvocationRecord,
  config: DataCaptureConfig,
  nowMs: number,
): string => {
  const modes = config.CaptureOptions.map(({ CaptureMode }) => CaptureMode);
  const wants = (mode: "Input" | "Output"): boolean =>
    modes.includes(mode) || modes.includes("InputAndOutput");
  const contentType = answer === null ? null : headerOf(answer.headers, "content-type");
  return `${JSON.stringify({
    captureData: {
      ...(wants("Input")
        ? { endpointInput: captured("INPUT", request.contentType, request.body, config) }
        : {}),
      ...(wants("Output") && answer?.error === null
        ? { endpointOutput: captured("OUTPUT", contentType, answer.body, config) }
        : {}),
    },
    eventMetadata: {
      eventId: requestId,
      ...(inferenceId === null ? {} : { inferenceId }),
      ...(request.customAttributes === null ? {} : { customAttributes: [request.customAttributes] }),
      inferenceTime: new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z"),
    },
    eventVersion: "0",
  })}\n`;
};

/** As text where the configuration says that its content type is one, else in Base64. */
const captured = (
  mode: "INPUT" | "OUTPUT",
  contentType: string | null,
  body: Uint8Array,
  { CaptureContentTypeHeader: types }: DataCaptureConfig,
): object => {
  const is = (list: readonly string[] | undefined): boolean =>
    contentType !== null && list?.includes(contentType) === true;
  const encoding = is(types?.JsonContentTypes) ? "JSON" : is(types?.CsvContentTypes) ? "CSV" : "BASE64";
  return {
    ...(contentType === null ? {} : { observedContentType: contentType }),
    mode,
    data: Buffer.from(body).toString(encoding === "BASE64" ? "base64" : "utf8"),
    encoding,
  };
};

const headerOf = (headers: readonly string[], name: string): string | null => {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === name) return headers[i + 1] ?? null;
  }
  return null;
};
