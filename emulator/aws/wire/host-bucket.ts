/**
 * The bucket that a Host names: `bucket.localhost`, `bucket.s3.localhost`, `bucket.s3.<region>.amazonaws.com`. Null = it names
 * none, and S3's paths begin with the bucket.
 * @param host with or without the port
 */
export const bucketOfHost = (host: string): string | null => {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  if (name.endsWith(".localhost")) {
    const before = name.slice(0, -".localhost".length);
    if (before === "s3" || /^s3[.-][a-z0-9-]+$/.test(before)) return null;
    return before.replace(/\.s3(?:[.-][a-z0-9-]+)?$/, "");
  }
  return /^(.+?)\.s3[.-].+$/.exec(name)?.[1] ?? null;
};
