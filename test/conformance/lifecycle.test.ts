import { conformance } from "./conformance.ts";

conformance("lifecycle");
