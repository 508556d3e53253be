import { conformance } from "./conformance.ts";

conformance("infer-request");
