import { conformance } from "./conformance.ts";

conformance("shutdown");
