import { execFile } from "node:child_process";

/**
 * Processes of a container that the kernel's OOM killer chose, by the number they have on this machine, in order. Read with
 * `dmesg`, which needs the right to.
 * @returns null where the log cannot be read
 */
export const killedPids = async (containerId: string): Promise<readonly number[] | null> => {
  const log = await new Promise<string | null>((resolve) =>
    execFile("dmesg", { maxBuffer: 64 * 2 ** 20 }, (error, text) => resolve(error === null ? text : null)),
  );
  return log === null ? null : killedIn(log, containerId);
};

/** One line for each: `oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/docker/<id>,task=triton_python_b,pid=17759,uid=0`. */
export const killedIn = (log: string, containerId: string): readonly number[] =>
  log
    .split("\n")
    .filter((line) => line.includes("oom-kill:") && line.includes(containerId))
    .map((line) => Number(/\bpid=(\d+)/.exec(line)?.[1]));
