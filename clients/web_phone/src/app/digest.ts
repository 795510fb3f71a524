/** The digest of the bundle that runs. docs/web-phone.md "Versions". */

/** Gives the digest in groups of eight, as the worker has it, which has checked the files; without one as the server says it. Empty where it can't be told. */
export async function bundleDigest(): Promise<string> {
  try {
    const worker = "serviceWorker" in navigator ? navigator.serviceWorker.controller : null;
    const digest = worker === null ? await ofTheServer() : await ofTheWorker(worker);
    return digest.replace(/(.{8})(?=.)/g, "$1 ");
  } catch {
    return "";
  }
}

async function ofTheWorker(worker: ServiceWorker): Promise<string> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<string>) => {
      port1.close();
      resolve(data);
    };
    worker.postMessage("digest", [port2]);
  });
}

async function ofTheServer(): Promise<string> {
  const response = await fetch("./bundle.json", { cache: "no-cache" });
  const { digest } = (await response.json()) as { digest?: string };
  return digest ?? "";
}
