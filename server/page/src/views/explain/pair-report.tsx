// Saves the explanation as a report.
import { reportService } from "../../api/clients.ts";
import { toImage, toRegion } from "../../query/request.ts";
import { ReportDialog } from "../../reports/report-dialog.tsx";
import { explanation, PAIR_SIDES, refs } from "./pair-store.ts";

export function PairReport({ onClose }: { readonly onClose: () => void }) {
  const { pins } = explanation.value, query = refs.a.value, retrieved = refs.b.value;
  if (!query || !retrieved) return null;
  const pair = {
    query: toImage(query), retrieved: toImage(retrieved),
    regions: pins.map(({ side, region }) => ({ side: PAIR_SIDES[side], region: toRegion(region) })),
  };
  return (
    <ReportDialog
      heading="Report of this explanation" onClose={onClose}
      contents={`It holds both pictures, their maps${pins.length ? ", the pins with theirs" : ""}, the sum, and the digests of model and gallery.`}
      write={async (title, format) => (await reportService.reportPair({ pair, format, title })).report}
    />
  );
}
