// Every view, one row each.
import type { ComponentType } from "preact";
import type { ReadonlySignal } from "@preact/signals";
import { may, type Scope } from "../api/server.ts";
import { ExplainView } from "./explain/explain-view.tsx";
import { GalleryView } from "./gallery/gallery-view.tsx";
import { ImageView } from "./gallery/image-view.tsx";
import { SearchView } from "./search/search-view.tsx";
import { unseen } from "./watch/matches.ts";
import { WatchView } from "./watch/watch-view.tsx";

export interface ViewRow {
  /** Its name in addresses. */
  readonly name: string;
  readonly title: string;
  /** Whether the navigation lists it. */
  readonly listed: boolean;
  /** The listed view that it belongs to; itself by default. */
  readonly within?: string;
  /** Scopes of which a token needs one to see it. */
  readonly scopes: readonly Scope[];
  /** How much in it is new. */
  readonly unseen?: ReadonlySignal<number>;
  readonly View: ComponentType;
}

export const VIEWS: readonly [ViewRow, ...ViewRow[]] = [
  { name: "search", title: "Search", listed: true, scopes: ["search"], View: SearchView },
  { name: "explain", title: "Explain", listed: true, scopes: ["search"], View: ExplainView },
  { name: "watch", title: "Watch", listed: true, scopes: ["search"], unseen, View: WatchView },
  { name: "gallery", title: "Gallery", listed: true, scopes: ["search", "ingest"], View: GalleryView },
  { name: "image", title: "Image", listed: false, within: "gallery", scopes: ["search"], View: ImageView },
];

/** Whether the caller's token may see a view. */
export function maySee(view: ViewRow): boolean {
  return view.scopes.some(may);
}
