// Builds ../static, the same bytes from the same lock file: `npm ci && npm run build`.
import { build } from "esbuild";
import { copyFile } from "node:fs/promises";

const out = "../static";
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
