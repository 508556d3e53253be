import { fail, ok, type Result } from "../../common/status.ts";

/** `http://<host>[:<port>][/<prefix>]`. Error: INVALID_ARG. */
export const parseContainerUrl = (text: string): Result<URL> => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "http:" && url.search === "" && url.hash === "") return ok(url);
  return fail("INVALID_ARG", `'${text}' is no http:// address of a container, such as http://127.0.0.1:8080`);
};
