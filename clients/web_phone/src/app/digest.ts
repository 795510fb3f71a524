/** The digest of the bundle, as its build wrote it down and its service worker has checked it. docs/web-phone.md "Versions". */

/** Gives the digest in groups of eight; empty where it can't be told. */
export async function bundleDigest(): Promise<string> {
  try {
    const response = await fetch("./bundle.json", { cache: "no-cache" });
    const { digest } = (await response.json()) as { digest?: string };
    return (digest ?? "").replace(/(.{8})(?=.)/g, "$1 ");
  } catch {
    return "";
  }
}
