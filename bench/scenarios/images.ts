import { Unavailable } from "../../emulator/parity/real-triton/unavailable.ts";
import { type ContainerServer, containerServers } from "../containers.ts";
import { type BenchContext, copyModel, startServer } from "../context.ts";
import { interleave } from "../rounds.ts";
import { type Row, rowOf } from "../row.ts";

/** How large the images are, and how long each takes from `docker run` to the first 200 of the readiness route. */
export async function images(context: BenchContext): Promise<readonly Row[]> {
  const servers = await thereOrSaid(context);
  if (servers.length === 0) return [];
  const names = servers.map(({ name, image }) => `${name}: \`${image}\``).join(", ");
  const section = `Images (${names}), each with one model, \`simple\`; a round is one start`;
  const sizes = new Map(servers.map(({ name, imageBytes }) => [name, [imageBytes / 1e6]]));
  const repository = copyModel(context, "simple", "images", ["simple"]);
  const runs = await interleave(servers, context.rounds, async (server) => {
    const started = await startServer(context, server, repository, ["simple"]);
    await started.stop();
    return started.readyMs;
  });
  const startMs = new Map([...runs].map(([{ name }, series]) => [name, series]));
  return [
    rowOf(section, "size", "MB", sizes, { of: "ours", atMost: 250 }),
    rowOf(section, "`docker run` to ready", "ms", startMs),
  ];
}

async function thereOrSaid(context: BenchContext): Promise<readonly ContainerServer[]> {
  try {
    return await containerServers(context);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    context.log(`images: not measured, ${error.message}: ${error.remedy}`);
    return [];
  }
}
