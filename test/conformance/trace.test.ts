import { conformance } from "./conformance.ts";

conformance("trace");
