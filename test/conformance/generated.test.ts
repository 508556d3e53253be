import { conformance } from "./conformance.ts";

conformance("generated");
