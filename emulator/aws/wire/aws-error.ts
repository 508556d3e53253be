export interface AwsErrorOptions {
  /** Default 400. */
  readonly status?: number;
  /** Further members of the body, by AWS's spelling, e.g. `OriginalStatusCode`; for S3 further elements. */
  readonly members?: Readonly<Record<string, string | number | undefined>>;
  /** The code in the query protocol where it is not `code`: CloudWatch's `InvalidParameterValue` of `InvalidParameterValueException`. */
  readonly queryCode?: string;
  /** Further headers of the answer, name and value in turn. */
  readonly headers?: readonly string[];
}

/** What an operation throws to answer with an error of AWS. Each protocol has its own form for it, see `protocols/`. */
export class AwsError extends Error {
  /** AWS's name of the error, e.g. `ValidationException`; SDKs make the class from it. */
  readonly code: string;
  readonly status: number;
  readonly members: Readonly<Record<string, string | number | undefined>>;
  readonly queryCode: string;
  readonly headers: readonly string[];

  constructor(code: string, message: string, options: AwsErrorOptions = {}) {
    super(message);
    this.code = code;
    this.status = options.status ?? 400;
    this.members = options.members ?? {};
    this.queryCode = options.queryCode ?? code;
    this.headers = options.headers ?? [];
  }
}

/** Who was wrong, as the query protocol and its errors in other protocols tell it. */
export const faultOf = ({ status }: AwsError): "Sender" | "Receiver" =>
  status < 500 ? "Sender" : "Receiver";
