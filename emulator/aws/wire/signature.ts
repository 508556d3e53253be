import { createHash } from "node:crypto";
import type { RequestHead } from "../../frontends/http1/request-head.ts";
import type { ChunkedBody } from "./aws-chunked.ts";
import { AwsError } from "./aws-error.ts";
import { ALGORITHM, type Credential } from "./credential.ts";
import type { Protocol } from "./identify.ts";
import { PayloadCheck } from "./payload-check.ts";
import { hmac, same, sha256 } from "./signature-hash.ts";

/** The one pair that is accepted where signatures are checked. */
export interface AcceptedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly protocol: Protocol;
  readonly credential: Credential | "broken" | null;
  readonly head: RequestHead;
  /** As it came, before `aws-chunked` was taken off; null = it is still to come, and says what it is to hash to. */
  readonly rawBody: Buffer | null;
  /** Null = the body is not in chunks. */
  readonly chunked: ChunkedBody | null;
  readonly nowMs: number;
  /** The same by the clock of the machine, where the emulator's was moved: callers go by either. */
  readonly machineMs: number;
}

/** How far the caller's clock may be off: S3 takes 15 minutes, the others 5. */
const SKEW_MS = { s3: 15 * 60_000, others: 5 * 60_000 };

/**
 * Checks Signature Version 4: header, presigned URL, and bodies in signed or unsigned chunks.
 * @returns what a body that is still to come is checked with
 * @throws AwsError as the protocol's services name it; nothing = it is signed with these credentials
 */
export const verifySignature = (request: SignedRequest, accepted: AcceptedCredentials): PayloadCheck => {
  const { protocol, credential } = request;
  const refuse = refusals[protocol === "rest-xml" ? "s3" : protocol === "query" ? "query" : "json"];
  if (isVersion2(request.head)) throw version2();
  if (credential === null) throw refuse.missing();
  if (credential === "broken") throw refuse.broken();
  if (credential.accessKeyId !== accepted.accessKeyId) throw refuse.unknownKey(credential.accessKeyId);
  const amzDate = dateOf(request);
  if (amzDate === null || !amzDate.startsWith(credential.date)) throw refuse.broken();
  checkAge(amzDate, credential, request, refuse);
  const hash = payloadHash(request, credential);
  const { signature, key, scope, canonical, toSign } = sign(request, credential, {
    secretAccessKey: accepted.secretAccessKey,
    amzDate,
    hash,
  });
  if (!same(signature, credential.signature)) throw refuse.mismatch(credential, toSign, canonical);
  const check = new PayloadCheck(
    { key, amzDate, scope, seed: signature, hash },
    { chunk: () => refuse.mismatch(credential, toSign, canonical), whole: () => refuse.payload(hash) },
  );
  const { chunked, rawBody } = request;
  if (chunked !== null) {
    for (const chunk of chunked.chunks) check.chunk(sha256(chunk.bytes), chunk.signature);
    check.trailers(chunked.trailers);
  } else if (rawBody !== null && check.isHashed) check.whole(sha256(rawBody));
  return check;
};

/**
 * Signs a request.
 * @param request its head has all headers that are signed
 * @param amzDate `20261125T194847Z`
 * @param hash of the payload, or what stands for it
 */
export const sign = (
  request: Pick<SignedRequest, "protocol" | "head">,
  credential: Omit<Credential, "signature">,
  { secretAccessKey, amzDate, hash }: { secretAccessKey: string; amzDate: string; hash: string },
) => {
  const canonical = canonicalRequest(request, credential, hash);
  const scope = `${credential.date}/${credential.region}/${credential.service}/aws4_request`;
  const toSign = `${ALGORITHM}\n${amzDate}\n${scope}\n${createHash("sha256").update(canonical, "latin1").digest("hex")}`;
  const key = signingKey(secretAccessKey, credential);
  return { signature: hmac(key, toSign).toString("hex"), key, scope, canonical, toSign };
};

/** In the header, or in a presigned URL as boto3 makes it by default. */
const isVersion2 = ({ headers, query }: RequestHead): boolean =>
  headers.get("authorization")?.startsWith("AWS ") === true || /(?:^|&)AWSAccessKeyId=/.test(query);

const version2 = (): AwsError =>
  new AwsError(
    "InvalidRequest",
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
  );

interface Refusals {
  missing(): AwsError;
  broken(): AwsError;
  unknownKey(accessKeyId: string): AwsError;
  mismatch(credential: Credential, toSign: string, canonical: string): AwsError;
  /** Too far from now. @param presigned the URL's time is over */
  stale(signedAt: string, now: string, presigned: boolean): AwsError;
  payload(stated: string): AwsError;
}

const forbidden = (code: string, message: string, members: AwsError["members"] = {}): AwsError =>
  new AwsError(code, message, { status: 403, members });

const mismatchText =
  "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
const staleText = (signedAt: string, now: string): string =>
  signedAt < now
    ? `Signature expired: ${signedAt} is now earlier than ${now}`
    : `Signature not yet current: ${signedAt} is still later than ${now}`;

const refusals: Readonly<Record<"s3" | "query" | "json", Refusals>> = {
  json: {
    missing: () => forbidden("MissingAuthenticationTokenException", "Missing Authentication Token"),
    broken: () =>
      forbidden(
        "IncompleteSignatureException",
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
      ),
    unknownKey: () =>
      forbidden("UnrecognizedClientException", "The security token included in the request is invalid."),
    mismatch: () => forbidden("InvalidSignatureException", mismatchText),
    stale: (signedAt, now) => forbidden("InvalidSignatureException", staleText(signedAt, now)),
    payload: () => forbidden("InvalidSignatureException", mismatchText),
  },
  query: {
    missing: () => forbidden("MissingAuthenticationToken", "Request is missing Authentication Token"),
    broken: () =>
      forbidden("IncompleteSignature", "The request signature does not conform to AWS standards."),
    unknownKey: () =>
      forbidden("InvalidClientTokenId", "The security token included in the request is invalid."),
    mismatch: () => forbidden("SignatureDoesNotMatch", mismatchText),
    stale: (signedAt, now) => forbidden("SignatureDoesNotMatch", staleText(signedAt, now)),
    payload: () => forbidden("SignatureDoesNotMatch", mismatchText),
  },
  s3: {
    missing: () => forbidden("AccessDenied", "Access Denied"),
    broken: () =>
      new AwsError(
        "AuthorizationHeaderMalformed",
        "The authorization header that you provided is not valid.",
      ),
    unknownKey: (accessKeyId) =>
      forbidden("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", {
        AWSAccessKeyId: accessKeyId,
      }),
    mismatch: ({ accessKeyId, signature }, toSign, canonical) =>
      forbidden(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        {
          AWSAccessKeyId: accessKeyId,
          StringToSign: toSign,
          SignatureProvided: signature,
          CanonicalRequest: canonical,
        },
      ),
    stale: (signedAt, now, presigned) =>
      presigned
        ? forbidden("AccessDenied", "Request has expired", { ServerTime: now })
        : forbidden(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            { RequestTime: signedAt, ServerTime: now, MaxAllowedSkewMilliseconds: SKEW_MS.s3 },
          ),
    payload: (stated) =>
      new AwsError(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        { members: { ClientComputedContentSHA256: stated } },
      ),
  },
};

/** `20261125T194847Z`; null = there is none. */
const dateOf = ({ head, credential }: SignedRequest): string | null => {
  const presigned = credential !== null && credential !== "broken" && credential.presignedForSeconds !== null;
  const given = presigned
    ? new URLSearchParams(head.query).get("X-Amz-Date")
    : (head.headers.get("x-amz-date") ?? compactDate(head.headers.get("date")));
  return given !== null && /^\d{8}T\d{6}Z$/.test(given) ? given : null;
};

const compactDate = (date: string | undefined): string | null => {
  const epochMs = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(epochMs) ? null : amzDateOf(epochMs);
};

/** `20261125T194847Z` */
export const amzDateOf = (epochMs: number): string =>
  new Date(epochMs).toISOString().replace(/[:-]|\.\d{3}/g, "");

const epochOf = (amzDate: string): number =>
  Date.parse(amzDate.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));

const checkAge = (
  amzDate: string,
  { presignedForSeconds }: Credential,
  { protocol, nowMs, machineMs }: SignedRequest,
  refuse: Refusals,
): void => {
  const signedMs = epochOf(amzDate);
  const skewMs = protocol === "rest-xml" ? SKEW_MS.s3 : SKEW_MS.others;
  const ageMs = presignedForSeconds === null ? skewMs : presignedForSeconds * 1000;
  const isFresh = (byMs: number): boolean => signedMs >= byMs - ageMs && signedMs <= byMs + skewMs;
  if (!isFresh(nowMs) && !isFresh(machineMs))
    throw refuse.stale(amzDate, amzDateOf(nowMs), presignedForSeconds !== null);
};

const payloadHash = ({ protocol, head, rawBody }: SignedRequest, credential: Credential): string => {
  const stated =
    head.headers.get("x-amz-content-sha256") ??
    (credential.presignedForSeconds === null
      ? undefined
      : (new URLSearchParams(head.query).get("X-Amz-Content-Sha256") ?? undefined));
  if (stated !== undefined) return stated;
  if (protocol === "rest-xml" && credential.presignedForSeconds !== null) return "UNSIGNED-PAYLOAD";
  return rawBody === null ? "UNSIGNED-PAYLOAD" : sha256(rawBody);
};

const canonicalRequest = (
  { protocol, head }: Pick<SignedRequest, "protocol" | "head">,
  { signedHeaders, presignedForSeconds }: Omit<Credential, "signature">,
  hash: string,
): string => {
  // S3 signs the path as it is sent; the others encode once more what is sent.
  const path = protocol === "rest-xml" ? encoded(decoded(head.path), true) : encoded(head.path, true);
  const query = head.query
    .split("&")
    .filter((one) => one !== "")
    .map((one) => {
      const equals = one.indexOf("=");
      const [name, value] = equals < 0 ? [one, ""] : [one.slice(0, equals), one.slice(equals + 1)];
      return [encoded(decoded(name), false), encoded(decoded(value), false)] as const;
    })
    .filter(([name]) => presignedForSeconds === null || name !== "X-Amz-Signature")
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  const headers = signedHeaders
    .map((name) => {
      const values = head.rawHeaders
        .filter((header) => header.name.toLowerCase() === name)
        .map(({ value }) => value.trim().replace(/ +/g, " "));
      return `${name}:${values.join(",")}\n`;
    })
    .join("");
  return `${head.method}\n${path}\n${query}\n${headers}\n${signedHeaders.join(";")}\n${hash}`;
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const decoded = (text: string): Buffer => {
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const hex = text.charCodeAt(i) === PERCENT ? text.slice(i + 1, i + 3) : "";
    const isEscape = /^[0-9a-fA-F]{2}$/.test(hex);
    bytes[length++] = isEscape ? Number.parseInt(hex, 16) : text.charCodeAt(i);
    if (isEscape) i += 2;
  }
  return bytes.subarray(0, length);
};

const PERCENT = 0x25;
const unreserved = /[A-Za-z0-9._~-]/;

const encoded = (bytes: Buffer | string, keepSlash: boolean): string => {
  let text = "";
  for (const byte of typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes) {
    const char = String.fromCharCode(byte);
    text +=
      unreserved.test(char) || (keepSlash && char === "/")
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
};

const signingKey = (
  secret: string,
  { date, region, service }: Pick<Credential, "date" | "region" | "service">,
): Buffer => [region, service, "aws4_request"].reduce(hmac, hmac(Buffer.from(`AWS4${secret}`), date));
