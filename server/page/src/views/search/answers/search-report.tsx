// Saves the search as a report.
import { useState } from "preact/hooks";
import { reportService } from "../../../api/clients.ts";
import { gallery } from "../../../api/server.ts";
import type { Question } from "../../../query/question.ts";
import { toRequest } from "../../../query/request.ts";
import { ReportDialog } from "../../../reports/report-dialog.tsx";

const USUAL = 100;

interface Props {
  readonly question: Question;
  readonly onClose: () => void;
}

export function SearchReport({ question, onClose }: Props) {
  const allowed = gallery.value?.limits?.searchPageSize ?? USUAL;
  const [most, setMost] = useState(Math.min(USUAL, allowed));
  return (
    <ReportDialog
      heading="Report of this search" onClose={onClose}
      contents="It holds the query, its regions and the best results, with their maps, numbers and digests."
      write={async (title, format) => {
        const search = { ...toRequest(question), groupBy: question.groupBy, pageSize: most };
        return (await reportService.reportSearch({ search, format, title })).report;
      }}
    >
      <label class="field">
        <span>Most results, up to {allowed}</span>
        <input
          type="number" min={1} max={allowed} step={1} required value={most || ""}
          onInput={(event) => setMost(event.currentTarget.valueAsNumber || 0)}
        />
      </label>
    </ReportDialog>
  );
}
