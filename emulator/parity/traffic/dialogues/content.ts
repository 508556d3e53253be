import type { PairContent } from "../pair-content.ts";
import { CACHE_BYTES } from "./caches.ts";

/** An empty repository, which dialogues fill, and a cache that few answers fill. */
export const dialogueContent: PairContent = {
  flags: ["--model-control-mode=explicit", `--cache-config=local,size=${CACHE_BYTES}`],
  environment: {},
  layOut: () => {},
};
