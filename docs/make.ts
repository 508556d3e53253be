import { writeFileSync } from "node:fs";
import { referencePage } from "../emulator/config/reference.ts";

/** `npm run docs`: the pages that are made from the sources. */
writeFileSync(new URL("configuration.md", import.meta.url), referencePage());
