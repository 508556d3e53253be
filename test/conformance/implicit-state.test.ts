import { conformance } from "./conformance.ts";

conformance("implicit-state");
