/**
 * Before a package is packed: `prepack` in its package.json. Builds all packages, and refuses what would be broken.
 *
 * npm leaves `workspace:*` and the entry to the sources in the manifest that it packs; pnpm replaces both.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { buildPackages } from "./build.mjs";
import { root } from "./workspace.mjs";

const folder = process.cwd();
const agent = process.env.npm_config_user_agent ?? "";
if (!agent.startsWith("pnpm/")) {
  console.error(
    `pack with pnpm: npx pnpm@10 pack. ${agent.split(" ")[0] || "npm"} would leave workspace:* in the package`,
  );
  process.exit(1);
}
// Who packs several has built them.
if (process.env.LOOPGRAD_BUILT !== "1" && !(await buildPackages())) process.exit(1);
for (const file of ["dist/index.js", "dist/index.d.ts"]) {
  if (!existsSync(join(folder, file))) {
    console.error(`${relative(root, folder)} has no ${file} after the build`);
    process.exit(1);
  }
}

// What a visitor of the package's page reads is the repository's own page; links lead there.
if (relative(root, folder) === join("packages", "loopgrad")) {
  const { homepage } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const page = `${homepage.replace(/#.*/, "")}/blob/main/`;
  const text = readFileSync(join(root, "README.md"), "utf8");
  writeFileSync(
    join(folder, "README.md"),
    text.replace(/\]\((?!https?:|#)([^)]+)\)/g, (_, target) => `](${page}${target})`),
  );
  copyFileSync(join(root, "CHANGELOG.md"), join(folder, "CHANGELOG.md"));
}
