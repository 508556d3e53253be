import { conformance } from "./conformance.ts";

conformance("http-framing");
