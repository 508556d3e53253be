import { conformance } from "./conformance.ts";

conformance("command-line");
