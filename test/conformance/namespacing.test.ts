import { conformance } from "./conformance.ts";

conformance("namespacing");
