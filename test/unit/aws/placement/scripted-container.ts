import type {
  Answered,
  Container,
  InvokeCall,
  LoadCall,
  ModelCall,
} from "../../../../emulator/aws/placement/container.ts";
import type { Clock } from "../../../../emulator/common/clock.ts";

/** How a call ends: an answer, nobody there, or nothing ever. */
export type Reply =
  | { readonly status: number; readonly text?: string; readonly afterUs?: number }
  | { readonly status: null; readonly afterUs?: number }
  | "never";

export type Operation = "ping" | "list" | "load" | "unload" | "invoke" | "restart";

export interface Call {
  readonly operation: Operation;
  readonly model: string;
  readonly atUs: number;
}

/** @param model the TargetModel, "" where there is none. @param nth of that operation and model, from 1 */
type Script = (model: string, nth: number) => Reply;

/** A container that answers as a test says, and remembers what it was asked. */
export class ScriptedContainer implements Container {
  readonly calls: Call[] = [];
  readonly scripts: { [Name in Operation]: Script } = {
    ping: () => ({ status: 200 }),
    list: () => ({ status: 200, text: '{"models":[]}' }),
    load: () => ({ status: 200, afterUs: 1_000_000 }),
    unload: () => ({ status: 200, afterUs: 500_000 }),
    invoke: () => ({ status: 200, afterUs: 10_000 }),
    restart: () => ({ status: 200, afterUs: 1_300_000 }),
  };
  /** The body of every invocation, in turn. */
  readonly bodies: string[] = [];
  /** Why it was restarted, each time. */
  readonly reasons: string[] = [];
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The models an operation was asked for, in turn. */
  asked(operation: Operation): readonly string[] {
    return this.calls.filter((call) => call.operation === operation).map(({ model }) => model);
  }

  ping(answered: Answered): void {
    this.#reply("ping", "", answered);
  }

  list(answered: Answered): void {
    this.#reply("list", "", answered);
  }

  load({ targetModel }: LoadCall, answered: Answered): void {
    this.#reply("load", targetModel, answered);
  }

  unload({ targetModel }: ModelCall, answered: Answered): void {
    this.#reply("unload", targetModel, answered);
  }

  invoke({ targetModel, body }: InvokeCall, answered: Answered): void {
    this.bodies.push(new TextDecoder().decode(body));
    this.#reply("invoke", targetModel, answered);
  }

  restart(started: (running: boolean) => void, because = ""): void {
    this.reasons.push(because);
    this.#reply("restart", "", (answer) => started(answer !== null));
  }

  #reply(operation: Operation, model: string, answered: Answered): void {
    const key = `${operation} ${model}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    this.calls.push({ operation, model, atUs: this.#clock.now() });
    const reply = this.scripts[operation](model, nth);
    if (reply === "never") return;
    const answer = (): void =>
      answered(
        reply.status === null
          ? null
          : { status: reply.status, headers: [], body: new TextEncoder().encode(reply.text ?? "") },
      );
    if (reply.afterUs === undefined) answer();
    else this.#clock.setTimer(reply.afterUs, answer);
  }
}
