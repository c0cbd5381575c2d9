// Bundles the page into ../partlens/server/page: index.html, and scripts and styles whose names hold their digests.
import { build } from "esbuild";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const MOST_BYTES = 120_000;
const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "partlens", "server", "page");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const built = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx", "src/icon.svg"],
  outdir: out,
  entryNames: "assets/[name]-[hash]",
  chunkNames: "assets/[name]-[hash]",
  assetNames: "assets/[name]-[hash]",
  bundle: true,
  format: "esm",
  target: ["es2023"],
  minify: true,
  metafile: true,
  legalComments: "linked",
  loader: { ".svg": "copy" },
});

const files = Object.keys(built.metafile.outputs).map((name) => relative(out, join(here, name)));
const only = (end) => {
  const found = files.filter((name) => name.endsWith(end));
  if (found.length !== 1) throw new Error(`expected one ${end} file: ${found}`);
  return found[0];
};
const page = readFileSync(join(here, "index.html"), "utf8")
  .replace("%SCRIPT%", only(".js"))
  .replace("%STYLE%", only(".css"))
  .replace("%ICON%", only(".svg"));
writeFileSync(join(out, "index.html"), page);

const bytes = files
  .filter((name) => /\.(js|css)$/.test(name))
  .map((name) => gzipSync(readFileSync(join(out, name)), { level: 9 }).length)
  .reduce((sum, size) => sum + size, gzipSync(page).length);
console.log(`page: ${(bytes / 1000).toFixed(1)} kB gzipped, at most ${MOST_BYTES / 1000} kB`);
if (bytes > MOST_BYTES) throw new Error("the page is too large");
