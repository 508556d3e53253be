import { conformance } from "./conformance.ts";

conformance("scheduler");
