import { conformance } from "./conformance.ts";

conformance("metrics");
