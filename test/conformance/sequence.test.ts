import { conformance } from "./conformance.ts";

conformance("sequence");
