import { conformance } from "./conformance.ts";

conformance("statistics");
