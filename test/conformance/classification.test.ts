import { conformance } from "./conformance.ts";

conformance("classification");
