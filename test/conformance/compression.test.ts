import { conformance } from "./conformance.ts";

conformance("compression");
