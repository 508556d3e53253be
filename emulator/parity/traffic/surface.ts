import type { Chance } from "./chance.ts";
import type { ModelSketch } from "./model-sketch.ts";
import type { TrafficRequest } from "./request.ts";

/** What a generator may ask. */
export interface World {
  readonly models: readonly ModelSketch[];
  /** Models that requests may load and unload as they like; infer requests leave them alone. */
  readonly spare: readonly string[];
  /** Models whose floating-point results may differ a little between two versions of ONNX Runtime. */
  readonly arithmetic: ReadonlySet<string>;
}

/** One row of the report: the part of the server that its requests look at. */
export interface Surface {
  readonly name: string;
  readonly title: string;
  /** How often it comes, beside the others. */
  readonly weight: number;
  /** Its requests load models or change settings: not for a server that others use. */
  readonly changes?: true;
  make(chance: Chance, world: World): TrafficRequest;
}
