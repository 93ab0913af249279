// Writes what the dashboard serves ready-made: its libraries, and the file of the embeds.
// `node build.mjs --check` writes nothing, and fails where a file is not what it would write.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const WEB = join(HERE, "../../broker/web");
const LICENSES = ["preact", "@preact/signals", "@preact/signals-core", "htm"];

async function versions() {
  const said = [];
  for (const name of LICENSES) {
    const about = JSON.parse(await readFile(join(HERE, "node_modules", name, "package.json"), "utf8"));
    said.push(`${name} ${about.version} (${about.license})`);
  }
  return said.join(", ");
}

async function licenses() {
  const texts = [];
  for (const name of LICENSES)
    texts.push(`${name}\n\n${(await readFile(join(HERE, "node_modules", name, "LICENSE"), "utf8")).trim()}\n`);
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

async function bundled(entry, banner) {
  const result = await build({
    absWorkingDir: HERE, entryPoints: [entry], bundle: true, minify: true, format: "esm",
    target: "es2022", legalComments: "none", write: false, banner: { js: banner },
  });
  return result.outputFiles[0].text;
}

let stale = 0;

async function keep(path, text) {
  const file = join(WEB, path);
  const present = await readFile(file, "utf8").catch(() => null);
  if (present === text) return;
  if (process.argv.includes("--check")) {
    console.error(`broker/web/${path} is not what tools/web builds: run \`make web\``);
    stale += 1;
  } else {
    await writeFile(file, text);
    console.log(`wrote broker/web/${path}`);
  }
}

const wanted = {
  "vendor/preact.js": await bundled("vendor.js", `/* ${await versions()}; see LICENSES.txt */`),
  "vendor/LICENSES.txt": await licenses(),
};
// The elements are built of what was just written.
for (const [path, text] of Object.entries(wanted)) await keep(path, text);
const embed = "/* progress-broker: broker/web/embed/ is its source; vendor/LICENSES.txt its licences */";
await keep("embed.js", await bundled(join(WEB, "embed/index.js"), embed));
process.exit(stale ? 1 : 0);
