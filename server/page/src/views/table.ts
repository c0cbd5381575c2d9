// Every view, one row each.
import type { ComponentType } from "preact";
import { ExplainView } from "./explain/explain-view.tsx";
import { GalleryView } from "./gallery/gallery-view.tsx";
import { ImageView } from "./gallery/image-view.tsx";
import { SearchView } from "./search/search-view.tsx";
import { WatchView } from "./watch/watch-view.tsx";

export interface ViewRow {
  /** Its name in addresses. */
  readonly name: string;
  readonly title: string;
  /** Whether the navigation lists it. */
  readonly listed: boolean;
  readonly View: ComponentType;
}

export const VIEWS: readonly [ViewRow, ...ViewRow[]] = [
  { name: "search", title: "Search", listed: true, View: SearchView },
  { name: "explain", title: "Explain", listed: true, View: ExplainView },
  { name: "watch", title: "Watch", listed: true, View: WatchView },
  { name: "gallery", title: "Gallery", listed: true, View: GalleryView },
  { name: "image", title: "Image", listed: false, View: ImageView },
];
