import type { AwsError } from "./aws-error.ts";
import { ALGORITHM } from "./credential.ts";
import { hmac, same, sha256 } from "./signature-hash.ts";

const EMPTY_HASH = sha256("");

interface ChunkSigning {
  readonly key: Buffer;
  readonly amzDate: string;
  readonly scope: string;
  readonly seed: string;
  /** The payload's mode, as the header names it. */
  readonly hash: string;
}

/** Checks a body against the signature of its request, piece by piece: hashes are SHA-256 in hexadecimal. */
export class PayloadCheck {
  /** The whole body, as it comes, is to have the hash that the request states. */
  readonly isHashed: boolean;
  readonly #signing: ChunkSigning;
  readonly #refuse: { chunk(): AwsError; whole(): AwsError };
  /** Of the chunk before: each signs the one before it too. */
  #previous: string;

  constructor(signing: ChunkSigning, refuse: { chunk(): AwsError; whole(): AwsError }) {
    this.isHashed = /^[0-9a-f]{64}$/.test(signing.hash);
    this.#signing = signing;
    this.#refuse = refuse;
    this.#previous = signing.seed;
  }

  /** @throws AwsError */
  whole(hash: string): void {
    if (hash !== this.#signing.hash) throw this.#refuse.whole();
  }

  /** The next one, up to the empty one at the end. @throws AwsError */
  chunk(hash: string, signature: string | null): void {
    const { key, amzDate, scope } = this.#signing;
    if (!this.#isSigned) return;
    const toSign = `${ALGORITHM}-PAYLOAD\n${amzDate}\n${scope}\n${this.#previous}\n${EMPTY_HASH}\n${hash}`;
    this.#previous = hmac(key, toSign).toString("hex");
    if (signature === null || !same(this.#previous, signature)) throw this.#refuse.chunk();
  }

  /** Behind the last chunk. @throws AwsError */
  trailers(trailers: ReadonlyMap<string, string>): void {
    const { key, amzDate, scope, hash } = this.#signing;
    if (!this.#isSigned || !hash.endsWith("-TRAILER")) return;
    const stated = trailers.get("x-amz-trailer-signature");
    const text = [...trailers]
      .filter(([name]) => name !== "x-amz-trailer-signature")
      .map(([name, value]) => `${name}:${value}\n`)
      .join("");
    const toSign = `${ALGORITHM}-TRAILER\n${amzDate}\n${scope}\n${this.#previous}\n${sha256(text)}`;
    if (stated === undefined || !same(hmac(key, toSign).toString("hex"), stated)) throw this.#refuse.chunk();
  }

  get #isSigned(): boolean {
    return this.#signing.hash.startsWith("STREAMING-AWS4");
  }
}
