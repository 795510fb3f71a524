/** Looks for a pairing code in what the camera sees: with the browser's own detector where there is one, else with jsQR, which is loaded then. */

const EVERY_MS = 150;
const WIDEST = 800; // pixels; a code that fills a third of a picture is read at that size
const OURS = "dispatch:pair#";

interface Detector {
  detect(of: CanvasImageSource): Promise<{ rawValue: string }[]>;
}

type Look = (video: HTMLVideoElement) => Promise<string[]>;

/**
 * Turns the camera on and shows it, until `gone`. `found` hears the first pairing code, once. Rejects when there is no camera, no leave to
 * use it, or no way to read what it sees: who hears that says `gone`, since the camera may be on.
 */
export async function watchForCode(video: HTMLVideoElement, found: (written: string) => void, gone: AbortSignal): Promise<void> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false });
  const stop = (): void => { for (const track of stream.getTracks()) track.stop(); };
  gone.addEventListener("abort", stop);
  if (gone.aborted) {
    stop();
    return;
  }
  video.srcObject = stream;
  await video.play();
  void look(video, await looker(), found, gone);
}

async function look(video: HTMLVideoElement, lookAt: Look, found: (written: string) => void, gone: AbortSignal): Promise<void> {
  while (!gone.aborted) {
    const codes = video.videoWidth > 0 ? await lookAt(video).catch(() => []) : [];
    const ours = codes.find((code) => code.startsWith(OURS));
    if (ours !== undefined) {
      found(ours);
      return;
    }
    await new Promise<void>((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function looker(): Promise<Look> {
  const { BarcodeDetector } = globalThis as { BarcodeDetector?: { new (of: { formats: string[] }): Detector; getSupportedFormats(): Promise<string[]> } };
  if (BarcodeDetector !== undefined && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
    const detector = new BarcodeDetector({ formats: ["qr_code"] });
    return async (video) => (await detector.detect(video)).map(({ rawValue }) => rawValue);
  }
  const { default: jsQR } = await import("jsqr");
  const canvas = document.createElement("canvas");
  return async (video) => {
    const scale = Math.min(1, WIDEST / video.videoWidth);
    [canvas.width, canvas.height] = [Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale)];
    const picture = canvas.getContext("2d", { willReadFrequently: true });
    if (picture === null) return [];
    picture.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = picture.getImageData(0, 0, canvas.width, canvas.height);
    const code = jsQR(data, width, height);
    return Promise.resolve(code === null ? [] : [code.data]);
  };
}
