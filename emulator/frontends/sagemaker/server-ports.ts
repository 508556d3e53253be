/** The first and the last one. */
export type PortRange = readonly [first: number, last: number];

/** Seen as `SAGEMAKER_SAFE_PORT_RANGE` (spec/sagemaker-mme.md 1.1). */
const USUAL_RANGE: PortRange = [25_000, 25_999];

const SHARE = 0.9;
const PORTS_PER_MODEL = 2;

/**
 * The ports of a container that starts a server for each model: of its range it uses 90 %, two for each model
 * (sagemaker-tensorflow-serving-container#140). 25000-25999 are enough for 449 models.
 */
export class ServerPorts {
  readonly #models: number;
  readonly #loaded: ReadonlyMap<string, unknown>;
  #starting = 0;

  /** @param loaded models that have their ports already */
  constructor(loaded: ReadonlyMap<string, unknown>, [first, last]: PortRange = USUAL_RANGE) {
    this.#models = Math.floor(Math.trunc((last - first) * SHARE) / PORTS_PER_MODEL);
    this.#loaded = loaded;
  }

  /** Those of one more model. @returns to be called when its load has ended; null = none are left */
  take(): (() => void) | null {
    if (this.#loaded.size + this.#starting >= this.#models) return null;
    this.#starting++;
    return () => {
      this.#starting--;
    };
  }
}
