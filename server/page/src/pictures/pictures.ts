// Pictures as blob URLs, since an <img> cannot send a token. What was least recently used is let go.
import { galleryService } from "../api/clients.ts";
import { token } from "../api/session.ts";
import type { ImageRef } from "../query/question.ts";
import { toImage } from "../query/request.ts";

const MOST_BYTES = 200_000_000;

interface Kept {
  readonly url: string;
  readonly bytes: number;
}

/** A picture to show. `reduced` where only the thumbnail of the gallery is available. */
export interface Shown {
  readonly url: string;
  readonly reduced: boolean;
}

const kept = new Map<string, Kept>();
const waiting = new Map<string, Promise<Shown>>();
let bytes = 0;

/** Forgets every picture; for a change of token. */
export function forgetPictures(): void {
  for (const { url } of kept.values()) URL.revokeObjectURL(url);
  kept.clear();
  waiting.clear();
  bytes = 0;
}

token.subscribe(forgetPictures);

/** The blob URL of bytes, kept under a name. */
export function keepPicture(name: string, data: Uint8Array<ArrayBuffer>, type = "image/jpeg"): string {
  const before = kept.get(name);
  if (before) {
    kept.delete(name);
    kept.set(name, before);
    return before.url;
  }
  const url = URL.createObjectURL(new Blob([data], { type }));
  kept.set(name, { url, bytes: data.byteLength });
  bytes += data.byteLength;
  for (const [old, { url: oldUrl, bytes: size }] of kept) {
    if (bytes <= MOST_BYTES || old === name) break;
    URL.revokeObjectURL(oldUrl);
    kept.delete(old);
    bytes -= size;
  }
  return url;
}

/** The kept picture of a name, as just used; undefined if there is none. */
export function keptPicture(name: string): string | undefined {
  const found = kept.get(name);
  if (!found) return undefined;
  kept.delete(name);
  kept.set(name, found);
  return found.url;
}

/** Keeps a picture that this browser already has, so that it need not be fetched; nothing if the browser cannot show it. */
export async function keepLocal(ref: ImageRef, file: Blob): Promise<void> {
  try {
    (await createImageBitmap(file)).close();
  } catch {
    return;
  }
  keepPicture(localName(ref), new Uint8Array(await file.arrayBuffer()), file.type);
}

function localName(ref: ImageRef): string {
  return `local:${ref.kind}:${ref.id}`;
}

/**
 * The picture of an image at about this size: the original where the server can read it, the thumbnail otherwise.
 *
 * @param side longest side, in pixels of the screen; rounded up, so that few sizes are fetched.
 * @param original whether the original is wanted; false for a gallery image whose thumbnail is enough, or that has no original.
 * @throws ConnectError there is neither.
 */
export function picture(ref: ImageRef, side: number, original = true): Promise<Shown> {
  const local = keptPicture(localName(ref));
  if (local !== undefined) return Promise.resolve({ url: local, reduced: false });
  const rounded = Math.min(2048, 512 * Math.ceil(side / 512));
  const name = `${ref.kind}:${ref.id}:${original ? rounded : 0}`;
  const url = keptPicture(name) ?? keptPicture(`${name}:reduced`);
  if (url !== undefined) return Promise.resolve({ url, reduced: !kept.has(name) });
  let asked = waiting.get(name);
  if (!asked) {
    asked = fetched(ref, original ? rounded : 0, name).finally(() => waiting.delete(name));
    waiting.set(name, asked);
  }
  return asked;
}

async function fetched(ref: ImageRef, side: number, name: string): Promise<Shown> {
  if (side === 0) {
    const { thumbnail } = await galleryService.getImage({ id: ref.id });
    return { url: keepPicture(`${name}:reduced`, owned(thumbnail)), reduced: true };
  }
  const { data, mediaType, fromThumbnail } = await galleryService.getPicture({ image: toImage(ref), maxSide: side });
  return { url: keepPicture(fromThumbnail ? `${name}:reduced` : name, owned(data), mediaType), reduced: fromThumbnail };
}

/** Bytes of a message, as a Blob takes them. */
export function owned(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data as Uint8Array<ArrayBuffer>;
}
