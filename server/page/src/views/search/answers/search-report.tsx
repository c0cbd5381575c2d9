// Saves the search as a report.
import { reportService } from "../../../api/clients.ts";
import { gallery } from "../../../api/server.ts";
import type { Question } from "../../../query/question.ts";
import { toRequest } from "../../../query/request.ts";
import { ReportDialog } from "../../../reports/report-dialog.tsx";

interface Props {
  readonly question: Question;
  /** Number of results in sight, which the report holds as far as the server allows. */
  readonly results: number;
  readonly onClose: () => void;
}

export function SearchReport({ question, results, onClose }: Props) {
  const most = Math.max(1, Math.min(results, gallery.value?.limits?.searchPageSize ?? results));
  return (
    <ReportDialog
      heading="Report of this search" onClose={onClose}
      contents={`It holds the query, its regions and the best ${most} results, with their maps, numbers and digests.`}
      write={async (title, format) => {
        const search = { ...toRequest(question), groupBy: question.groupBy, pageSize: most };
        return (await reportService.reportSearch({ search, format, title })).report;
      }}
    />
  );
}
