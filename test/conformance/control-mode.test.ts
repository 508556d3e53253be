import { conformance } from "./conformance.ts";

conformance("control-mode");
