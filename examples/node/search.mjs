import { readFile } from "node:fs/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { PartSearchService } from "./gen/partlens/v1/part_search_service_pb.js";

const transport = createConnectTransport({
  baseUrl: "http://127.0.0.1:8080",
  httpVersion: "1.1",
  useBinaryFormat: true, // false sends JSON
});
const search = createClient(PartSearchService, transport);
const box = { x: 2, y: 3, width: 20, height: 30 };
try {
  const answer = await search.searchRegions(
    {
      images: [{ source: { case: "data", value: await readFile("query.jpg") } }],
      regions: [{ region: { shape: { case: "box", value: box } } }],
      pageSize: 5,
    },
    { timeoutMs: 5000 }, // with a token: headers: { Authorization: `Bearer ${token}` }
  );
  for (const hit of answer.hits) console.log(hit.score.toFixed(3), hit.id);
} catch (error) {
  const known = ConnectError.from(error);
  console.error(Code[known.code], known.rawMessage);
}
