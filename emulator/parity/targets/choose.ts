import { runningEngine, runningOrOwnEngine } from "../real-triton/engine.ts";
import type { Say } from "../real-triton/programs.ts";
import { Unavailable } from "../real-triton/unavailable.ts";
import { containerTarget } from "./container.ts";
import { removeLeftRegions } from "./left-regions.ts";
import { nativeTarget } from "./native.ts";
import { stopWithUs } from "./stop-all.ts";
import type { Target } from "./target.ts";

/** A real server's answers, the nearest to an endpoint first. */
export type TargetKind = "container" | "native" | "recordings";

export interface Chosen {
  /** Or one that runs already, named by its URL. */
  readonly kind: TargetKind | "endpoint";
  /** Null where only what was recorded earlier is left. */
  readonly target: Target | null;
  /** Stops what was started besides the servers, a Docker engine of our own, and removes what killed ones left. */
  close(): Promise<void>;
}

export interface ChooseOptions {
  /** This one or none; absent = the first that is possible. */
  readonly wanted?: TargetKind;
  /** Version of ONNX Runtime in a server made here. */
  readonly onnxRuntime?: string;
  /** Where no engine answers, one of our own is installed and started (Debian, root). */
  readonly mayStartEngine?: boolean;
  /** Gets a line for each kind looked at: taken, or why not and what would make it possible. */
  readonly say: Say;
}

/** A kind that may turn out to be impossible here. */
export interface Candidate {
  readonly kind: TargetKind;
  /** Throws Unavailable. */
  open(): Promise<Omit<Chosen, "kind">>;
}

/** Container, native, recordings: the first that is possible. Throws Unavailable where the one that is wanted is not. */
export const chooseTarget = (options: ChooseOptions): Promise<Chosen> =>
  firstPossible(candidates(options), options);

export const firstPossible = async (
  all: readonly Candidate[],
  { wanted, say }: Pick<ChooseOptions, "wanted" | "say">,
): Promise<Chosen> => {
  for (const { kind, open } of all) {
    if (wanted !== undefined && wanted !== kind) continue;
    try {
      const opened = await open();
      say(`${kind}: ${opened.target?.name ?? "what a real server answered earlier"}`);
      return { kind, ...opened };
    } catch (error) {
      if (!(error instanceof Unavailable) || wanted !== undefined) throw error;
      say(notTaken(kind, error));
    }
  }
  throw new Error("recordings are always possible");
};

/** Why a kind was not taken, and what would make it possible, in one line. */
export const notTaken = (kind: TargetKind, { message, remedy }: Unavailable): string =>
  `${kind}: not checked, ${oneLine(message)}. To check it: ${oneLine(remedy)}`;

const oneLine = (text: string): string => text.trim().replace(/\s+/g, " ");

const candidates = ({ onnxRuntime, mayStartEngine = false, say }: ChooseOptions): readonly Candidate[] => [
  {
    kind: "container",
    open: async () => {
      const engine = await (mayStartEngine ? runningOrOwnEngine(say) : runningEngine());
      const stopped = stopWithUs(() => engine.stop());
      const close = async (): Promise<void> => {
        stopped();
        await engine.stop();
      };
      try {
        return { target: await containerTarget(say, onnxRuntime, engine), close };
      } catch (error) {
        await close();
        throw error;
      }
    },
  },
  {
    kind: "native",
    open: async () => {
      const openedAtMs = Date.now();
      const close = async (): Promise<void> => removeLeftRegions(openedAtMs);
      return { target: await nativeTarget(say, onnxRuntime), close };
    },
  },
  { kind: "recordings", open: () => Promise.resolve({ target: null, close: nothingToStop }) },
];

const nothingToStop = (): Promise<void> => Promise.resolve();
