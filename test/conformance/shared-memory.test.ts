import { conformance } from "./conformance.ts";

conformance("shared-memory");
