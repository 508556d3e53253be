import { conformance } from "./conformance.ts";

conformance("numbers");
