/** A file that arrives: its chunks go into blobs, which a browser keeps on its disk, and through the digest. Memory does not grow with the file. */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, solid } from "../protocol/bytes.js";
import { CHUNK_BYTES } from "../protocol/sealed/file.js";

const FOLD_BYTES = 4 * 1024 * 1024;

/** What is there of a file, in order. */
export class Parts {
  private blobs: Blob[] = [];
  private loose: Uint8Array<ArrayBuffer>[] = [];
  private looseBytes = 0;
  private digest = sha256.create();
  /** Chunks that are there. */
  kept = 0;

  /** Takes the next chunk. */
  add(chunk: Bytes): void {
    this.digest.update(chunk);
    this.loose.push(solid(chunk));
    this.looseBytes += chunk.length;
    this.kept++;
    if (this.looseBytes >= FOLD_BYTES) this.fold();
  }

  /** Gives the SHA-256 of what is there. */
  sha256(): Bytes {
    return this.digest.clone().digest();
  }

  /** Gives it as one blob. */
  whole(): Blob {
    this.fold();
    // The name is the person's to choose; the kind is nobody's word, so that nothing opens it by itself.
    return new Blob(this.blobs, { type: "application/octet-stream" });
  }

  private fold(): void {
    if (this.loose.length > 0) this.blobs.push(new Blob(this.loose));
    [this.loose, this.looseBytes] = [[], 0];
  }
}

/** Hashes a file as it lies on the disk. `told` hears the bytes so far. */
export async function digestOf(file: Blob, told: (done: number) => void): Promise<Bytes> {
  const digest = sha256.create();
  for (let at = 0; at < file.size; at += FOLD_BYTES) {
    digest.update(new Uint8Array(await file.slice(at, at + FOLD_BYTES).arrayBuffer()));
    told(Math.min(at + FOLD_BYTES, file.size));
  }
  return digest.digest();
}

/** Reads one chunk of a file. Gives fewer bytes than there should be when it was cut. */
export async function chunkOf(file: Blob, index: number): Promise<Bytes> {
  return new Uint8Array(await file.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES).arrayBuffer());
}
