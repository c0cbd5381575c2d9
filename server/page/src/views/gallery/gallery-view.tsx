// The images of the gallery: browsed, filtered, added and deleted.
import { useEffect, useMemo, useState } from "preact/hooks";
import { gallery, indexing, may } from "../../api/server.ts";
import { route } from "../../app/route.ts";
import { whereOf } from "../../query/address.ts";
import { EVERYWHERE } from "../../query/question.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { moveFocus } from "../../ui/move-focus.ts";
import { Empty, Loading, ProblemNotice } from "../../ui/notice.tsx";
import { Conditions } from "../../filters/condition-fields.tsx";
import { conditionsOf } from "../../filters/conditions.ts";
import { useFacets } from "../../filters/use-facets.ts";
import { useMedia } from "../../ui/use-media.ts";
import { counted } from "../../ui/words.ts";
import { list } from "./address.ts";
import { DeleteImages } from "./delete-images.tsx";
import { More } from "../../picker/more.tsx";
import { Tile } from "./tile.tsx";
import { AddPictures } from "./upload/add-pictures.tsx";
import { finished } from "./upload/queue.ts";
import { keepListing } from "./listing.ts";
import { usePages } from "../../picker/use-pages.ts";
import { useSelection } from "./use-selection.ts";

const NARROW = "(max-width: 48rem)";

export function GalleryView() {
  if (may("search")) return <Browse />;
  return (
    <div class="gallery stack">
      <h1>Add pictures</h1>
      <p>Your token may add pictures, but not see the gallery.</p>
      <AddPictures />
    </div>
  );
}

function Browse() {
  const address = route.value.parameters.toString();
  const where = useMemo(() => whereOf(new URLSearchParams(address)), [address]);
  const counts = useFacets(where);
  const [open, setOpen] = useState<"" | "filters" | "delete">("");
  const [turn, setTurn] = useState(0);
  const uploaded = finished.value;
  const pages = usePages(useMemo(() => ({ where, turn: turn + uploaded }), [where, turn, uploaded]));
  const { thumbnails, next, pending, problem, more } = pages;
  const ids = useMemo(() => thumbnails.map(({ id }) => id), [thumbnails]);
  const selection = useSelection(ids);
  useEffect(() => keepListing(where, ids), [where, ids]);
  const conditions = conditionsOf(where).length, narrow = useMedia(NARROW);
  useFirstPictures(thumbnails.length === 0 && !pending, () => setTurn(turn + 1));
  const filters = (
    <div class="filters">
      {counts.problem && !counts.answer && <ProblemNotice problem={counts.problem} onRetry={counts.again} />}
      <Conditions where={where} counts={counts.answer} onChange={list} />
      {conditions > 0 && <Button onClick={() => list(EVERYWHERE)}>Clear the filters</Button>}
    </div>
  );
  return (
    <div class="gallery stack">
      <div class="row">
        <h1>Gallery</h1>
        <p class="quiet grow" role="status">{countWords(counts.answer?.images, conditions > 0)}</p>
        <Button pressed={open === "filters"} onClick={() => setOpen(open === "filters" ? "" : "filters")}>
          Filters{conditions > 0 && ` (${conditions})`}
        </Button>
        <Button onClick={() => setTurn(turn + 1)} disabled={pending}>Refresh</Button>
        {may("ingest") && <AddPictures />}
      </div>
      {may("admin") && <SelectionBar selection={selection} listed={thumbnails.length} onDelete={() => setOpen("delete")} />}
      <div class={open === "filters" && !narrow ? "gallery-body filtered" : "gallery-body"}>
        {open === "filters" && !narrow && <aside class="sheet filters-side" aria-label="Filters">{filters}</aside>}
        <div class="stack">
          {problem && <ProblemNotice problem={problem} onRetry={more} />}
          {thumbnails.length === 0 && pending && !problem && <Loading text="Fetching images" />}
          {thumbnails.length === 0 && !pending && !problem && <NoImages filtered={conditions > 0} />}
          <ul class="tiles" aria-label="Images" aria-busy={pending} onKeyDown={moveFocus}>
            {thumbnails.map((one) => (
              <Tile
                key={one.id} shown={one} selected={selection.ids.has(one.id)}
                onSelect={may("admin") ? (selected, range) => selection.select(one.id, selected, range) : undefined}
              />
            ))}
          </ul>
          {next && !problem && <More onShown={more} pending={pending} />}
        </div>
      </div>
      {open === "filters" && narrow && <Dialog title="Filters" drawer onClose={() => setOpen("")}>{filters}</Dialog>}
      {open === "delete" && (
        <DeleteImages
          ids={[...selection.ids]} onClose={() => setOpen("")}
          onDeleted={() => { setOpen(""); selection.clear(); setTurn(turn + 1); }}
        />
      )}
    </div>
  );
}

/** Looks again while the first pictures are being indexed. */
function useFirstPictures(empty: boolean, look: () => void): void {
  const there = (gallery.value?.images ?? 0n) > 0n, growing = indexing.value;
  useEffect(() => {
    if (empty && there && growing) look();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once, when there is something to look at
  }, [empty, there, growing]);
}

function countWords(passing: number | undefined, filtered: boolean): string {
  const all = Number(gallery.value?.images ?? 0n);
  if (!filtered) return counted(passing ?? all, "image");
  return passing === undefined ? "Counting…" : `${counted(passing, "image")} of ${all.toLocaleString()}`;
}

function NoImages({ filtered }: { readonly filtered: boolean }) {
  if (filtered) {
    return (
      <Empty title="No image passes the filters">
        <p><Button kind="primary" onClick={() => list(EVERYWHERE)}>Clear the filters</Button></p>
      </Empty>
    );
  }
  if (indexing.value) return <Empty title="The first pictures are being indexed"><p>They appear here as soon as they are there.</p></Empty>;
  return (
    <Empty title="The gallery is empty">
      <p>{may("ingest") ? "Choose “Add pictures”, or drop some here." : "Ask the operator of this server to add pictures."}</p>
    </Empty>
  );
}

interface SelectionBarProps {
  readonly selection: ReturnType<typeof useSelection>;
  readonly listed: number;
  readonly onDelete: () => void;
}

function SelectionBar({ selection, listed, onDelete }: SelectionBarProps) {
  const number = selection.ids.size;
  return (
    <div class="row selection" role="group" aria-label="Selection">
      <span class="quiet" role="status">{number === 0 ? "Nothing selected" : `${number.toLocaleString()} selected`}</span>
      {number > 0 && number === listed
        ? <Button onClick={selection.clear}>Select none</Button>
        : <Button disabled={listed === 0} onClick={selection.all}>Select all {listed.toLocaleString()} shown</Button>}
      <Button kind="danger" disabled={number === 0} onClick={onDelete}>Delete…</Button>
    </div>
  );
}
