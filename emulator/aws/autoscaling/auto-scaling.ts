import type { Clock, Timer } from "../../common/clock.ts";
import { Random } from "../../common/random.ts";
import type { AlarmAction, Alarms } from "../cloudwatch/alarms.ts";
import { ACCOUNT_ID } from "../wire/aws-request.ts";
import { keyOf, type ScalableTarget, type VariantName } from "./scalable-target.ts";
import type { ScalableVariants } from "./scalable-variants.ts";
import { ScalingActivities } from "./scaling-activities.ts";
import { type TargetTracking, trackingRule } from "./scaling-policy.ts";
import type { Schedule } from "./schedule.ts";
import { type ScalingPolicy, VariantScaler } from "./variant-scaler.ts";

export interface AutoScalingOptions {
  readonly clock: Clock;
  readonly seed: number;
  readonly alarms: Alarms;
  readonly variants: ScalableVariants;
}

/** A policy with what was given for it. */
export interface StoredPolicy extends ScalingPolicy {
  readonly of: VariantName;
  readonly createdMs: number;
  readonly type: "TargetTrackingScaling" | "StepScaling";
  /** As it came over the wire. */
  readonly configuration: object;
}

export interface ScheduledAction {
  readonly name: string;
  readonly arn: string;
  readonly of: VariantName;
  readonly resourceId: string;
  /** As it was given. */
  readonly text: string;
  readonly schedule: Schedule;
  readonly timeZone?: string;
  readonly startMs?: number;
  readonly endMs?: number;
  readonly min?: number;
  readonly max?: number;
  readonly createdMs: number;
}

interface Registered {
  target: ScalableTarget;
  readonly scaler: VariantScaler;
  readonly policies: Map<string, StoredPolicy>;
  readonly actions: Map<string, ScheduledAction>;
}

/** A timer may not be longer. */
const MAX_TIMER_MS = 86_400_000;

/** What Application Auto Scaling knows and does of SageMaker's variants; its operations are in `auto-scaling-service.ts`. */
export class AutoScaling {
  readonly activities = new ScalingActivities();
  readonly clock: Clock;
  readonly variants: ScalableVariants;
  readonly #alarms: Alarms;
  readonly #random: Random;
  readonly #registered = new Map<string, Registered>();
  #timer: Timer | null = null;

  constructor({ clock, seed, alarms, variants }: AutoScalingOptions) {
    this.clock = clock;
    this.variants = variants;
    this.#alarms = alarms;
    this.#random = new Random(seed);
    alarms.onAction((action) => this.#act(action));
  }

  target(name: VariantName): ScalableTarget | undefined {
    return this.#registered.get(keyOf(name))?.target;
  }

  /** In the order of their registration. */
  targets(): readonly ScalableTarget[] {
    return [...this.#registered.values()].map(({ target }) => target);
  }

  register(target: ScalableTarget): void {
    const key = keyOf(target);
    const known = this.#registered.get(key);
    if (known === undefined) this.#registered.set(key, this.#newTarget(target));
    else known.target = target;
    this.#registered.get(key)?.scaler.keepInRange();
  }

  /** Its policies and scheduled actions go with it. */
  deregister(name: VariantName): void {
    const registered = this.#registered.get(keyOf(name));
    if (registered === undefined) return;
    for (const policy of registered.policies.values()) this.deletePolicy(policy);
    registered.scaler.stop();
    this.#registered.delete(keyOf(name));
    this.#schedule();
  }

  /** What was registered of an endpoint that is gone goes too, unasked ("Delete endpoints configured for auto scaling"). */
  endpointDeleted(region: string, endpoint: string): void {
    for (const target of this.#targetsOf(region, endpoint)) this.deregister(target);
  }

  /** Variants of an endpoint that are registered. */
  variantsOf(region: string, endpoint: string): readonly string[] {
    return this.#targetsOf(region, endpoint).map(({ variant }) => variant);
  }

  /** The case of an endpoint's name does not count. */
  #targetsOf(region: string, endpoint: string): readonly ScalableTarget[] {
    const name = endpoint.toLowerCase();
    return this.targets().filter(
      (target) => target.region === region && target.endpoint.toLowerCase() === name,
    );
  }

  /** In the order of their creation. */
  policies(): readonly StoredPolicy[] {
    return [...this.#registered.values()].flatMap(({ policies }) => [...policies.values()]);
  }

  policiesOf(of: VariantName): readonly StoredPolicy[] {
    return [...(this.#registered.get(keyOf(of))?.policies.values() ?? [])];
  }

  policy(of: VariantName, name: string): StoredPolicy | undefined {
    return this.#registered.get(keyOf(of))?.policies.get(name);
  }

  /** With the alarms of a policy that tracks a target. One of the same name is replaced. */
  putPolicy(
    target: ScalableTarget,
    {
      name,
      type,
      tracking,
      step,
      configuration,
    }: Pick<StoredPolicy, "name" | "type" | "tracking" | "step" | "configuration">,
  ): StoredPolicy {
    const known = this.policy(target, name);
    const arn =
      known?.arn ??
      `arn:aws:autoscaling:${target.region}:${ACCOUNT_ID}:scalingPolicy:${this.newId()}:resource/sagemaker/${target.resourceId}:policyName/${name}`;
    if (known !== undefined) this.#deleteAlarms(known);
    const policy: StoredPolicy = {
      name,
      arn,
      type,
      tracking,
      step,
      configuration,
      of: target,
      createdMs: known?.createdMs ?? this.clock.epochMs(),
      alarms: tracking === null ? null : this.#putAlarms(target, arn, tracking),
    };
    this.#registered.get(keyOf(target))?.policies.set(name, policy);
    return policy;
  }

  deletePolicy(policy: StoredPolicy): void {
    this.#deleteAlarms(policy);
    this.#registered.get(keyOf(policy.of))?.policies.delete(policy.name);
  }

  /** Names and ARNs of the alarms that ask a policy. */
  alarmsOf({ arn, of }: StoredPolicy): { name: string; arn: string }[] {
    return this.#alarms
      .list()
      .filter(({ settings }) => Object.values(settings.actions).some((actions) => actions.includes(arn)))
      .filter(({ settings }) => settings.arn.split(":")[3] === of.region)
      .map(({ settings }) => ({ name: settings.name, arn: settings.arn }));
  }

  scheduledActions(): readonly ScheduledAction[] {
    return [...this.#registered.values()].flatMap(({ actions }) => [...actions.values()]);
  }

  scheduledActionsOf(of: VariantName): readonly ScheduledAction[] {
    return [...(this.#registered.get(keyOf(of))?.actions.values() ?? [])];
  }

  scheduledAction(of: VariantName, name: string): ScheduledAction | undefined {
    return this.#registered.get(keyOf(of))?.actions.get(name);
  }

  putScheduledAction(action: ScheduledAction): void {
    this.#registered.get(keyOf(action.of))?.actions.set(action.name, action);
    this.#schedule();
  }

  deleteScheduledAction({ of, name }: ScheduledAction): void {
    this.#registered.get(keyOf(of))?.actions.delete(name);
    this.#schedule();
  }

  /** A UUID of version 4, from the seed. */
  newId(): string {
    const digits = [0, 0, 0, 0].map(() => this.#random.nextUint32().toString(16).padStart(8, "0")).join("");
    const variant = "89ab"[Number.parseInt(digits.charAt(16), 16) % 4];
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20)}`;
  }

  /** Nothing is scaled any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const { scaler } of this.#registered.values()) scaler.stop();
  }

  #newTarget(target: ScalableTarget): Registered {
    const policies = new Map<string, StoredPolicy>();
    const registered: Registered = {
      target,
      policies,
      actions: new Map(),
      scaler: new VariantScaler({
        clock: this.clock,
        variants: this.variants,
        activities: this.activities,
        newId: () => this.newId(),
        target: () => registered.target,
        policies: () => [...policies.values()],
        alarm: (name) => this.#alarms.get(name),
      }),
    };
    return registered;
  }

  #act({ alarm, action }: AlarmAction): void {
    for (const { policies, scaler } of this.#registered.values()) {
      for (const policy of policies.values()) {
        if (policy.arn !== action) continue;
        this.#alarms.history.acted(alarm.settings.name, action);
        scaler.fire(policy, alarm);
      }
    }
  }

  #putAlarms(target: ScalableTarget, policyArn: string, tracking: TargetTracking) {
    const put = (which: "AlarmHigh" | "AlarmLow"): string => {
      const name = `TargetTracking-${target.resourceId}-${which}-${this.newId()}`;
      this.#alarms.put({
        ...trackingRule(which, tracking),
        name,
        arn: `arn:aws:cloudwatch:${target.region}:${ACCOUNT_ID}:alarm:${name}`,
        description: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${policyArn}.`,
        actionsEnabled: true,
        actions: { OK: [], ALARM: [policyArn], INSUFFICIENT_DATA: [] },
        queries: tracking.queries,
        asQueries: tracking.asQueries,
      });
      return name;
    };
    return { high: put("AlarmHigh"), low: tracking.scalesIn ? put("AlarmLow") : null };
  }

  #deleteAlarms({ alarms }: StoredPolicy): void {
    if (alarms === null) return;
    this.#alarms.delete(alarms.high);
    if (alarms.low !== null) this.#alarms.delete(alarms.low);
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const nowMs = this.clock.epochMs();
    const due = this.scheduledActions().flatMap((action) => nextRun(action, nowMs) ?? []);
    if (due.length === 0) return;
    const nextMs = Math.min(...due);
    const waitMs = Math.min(nextMs - nowMs, MAX_TIMER_MS);
    this.#timer = this.clock.setTimer(waitMs * 1000, () => {
      this.#timer = null;
      const laterMs = this.clock.epochMs();
      for (const { actions, target } of [...this.#registered.values()]) {
        for (const action of actions.values()) {
          const runMs = nextRun(action, nowMs);
          if (runMs !== null && runMs <= laterMs) this.#run(action, target);
        }
      }
      this.#schedule();
    });
  }

  #run({ of, name, min, max }: ScheduledAction, target: ScalableTarget): void {
    if (target.suspended.scheduled) return;
    const registered = this.#registered.get(keyOf(of));
    if (registered === undefined) return;
    const newMin = min ?? Math.min(target.min, max ?? target.min);
    const newMax = max ?? Math.max(target.max, newMin);
    registered.target = { ...target, min: newMin, max: newMax };
    const nowMs = this.clock.epochMs();
    this.activities.add({
      id: this.newId(),
      of,
      description: `Setting min capacity to ${newMin} and max capacity to ${newMax}`,
      cause: `scheduled action name ${name} was triggered`,
      startMs: nowMs,
      endMs: nowMs,
      status: "Successful",
      message: `Successfully set min capacity to ${newMin} and max capacity to ${newMax}`,
      notScaled: null,
    });
    registered.scaler.keepInRange();
  }
}

const nextRun = ({ schedule, startMs, endMs, createdMs }: ScheduledAction, nowMs: number): number | null => {
  const next = schedule.next(Math.max(nowMs, (startMs ?? createdMs) - 1), startMs ?? createdMs);
  return next === null || (endMs !== undefined && next > endMs) ? null : next;
};
