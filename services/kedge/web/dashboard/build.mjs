// Builds ../static, the same bytes from the same lock file: `npm ci && npm run build`.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFile, readdir, readFile, writeFile } from "node:fs/promises";

const out = process.argv[2] ?? "../static";
await build({
  entryPoints: { app: "src/main.tsx" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "eof",
  outdir: out,
});
for (const file of ["index.html", "icon.svg"]) await copyFile(`src/${file}`, `${out}/${file}`);

// What it was built from, so that a test without Node sees whether it was built anew.
const sources = ["build.mjs", "package-lock.json", ...(await readdir("src")).sort().map((name) => `src/${name}`)];
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(await readFile(name));
await writeFile(`${out}/sources.sha256`, `${digest.digest("hex")}\n`);
