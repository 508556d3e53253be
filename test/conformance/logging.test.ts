import { conformance } from "./conformance.ts";

conformance("logging");
