import { conformance } from "./conformance.ts";

conformance("ensemble");
