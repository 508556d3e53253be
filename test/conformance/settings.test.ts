import { conformance } from "./conformance.ts";

conformance("settings");
