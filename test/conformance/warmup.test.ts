import { conformance } from "./conformance.ts";

conformance("warmup");
