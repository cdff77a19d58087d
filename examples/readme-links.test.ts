/**
 * The examples' README: a section for each example, whose command and picture exist; and links that lead somewhere.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("..", import.meta.url));
const examples = readdirSync(join(root, "examples")).filter((name) =>
  existsSync(join(root, "examples", name, "main.ts")),
);
const readme = readFileSync(join(root, "examples/README.md"), "utf8");

/** What stands between a heading and the next. */
const section = (name: string): string => readme.split(/^## /m).find((part) => part.startsWith(`${name}\n`)) ?? "";

describe.each(examples)("%s", (name) => {
  test("has a section with its command, a time, a result and a picture that it made", () => {
    const text = section(name);
    expect(text).toContain(`node scripts/run.mjs examples/${name}/main.ts`);
    expect(text).toMatch(/\b\d+ (s|minutes?)\b/);
    expect(text).toMatch(/\]\(\.\.\/docs\/results\/[\w-]+\.md\)/);
    const [, alt, picture] = /!\[([^\]]+)\]\(([^)]+\.svg)\)/.exec(text) ?? [];
    expect(alt.length).toBeGreaterThan(20);
    const path = join(root, "examples", picture);
    expect(readFileSync(path, "utf8")).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    expect(statSync(path).size).toBeLessThan(120_000);
    expect(readme.split("## ")[0]).toContain(`| [${name}](#${name}) |`);
  });

  test("its commands name programs and options that exist", () => {
    const commands = Array.from(section(name).matchAll(/^node scripts\/run\.mjs (examples\/\S+)(.*)$/gm));
    expect(commands.length).toBeGreaterThan(0);
    for (const [, program, rest] of commands) {
      const source =
        readFileSync(join(root, program), "utf8") + readFileSync(join(root, "examples/command-line.ts"), "utf8");
      for (const [, option] of rest.matchAll(/ (--[\w-]+)/g)) expect(source).toContain(`"${option}`);
    }
  });
});

/** GitHub's name for a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

/** The documents in a folder and, but for packages that are installed there, below. */
function documents(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : documents(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

test("links of the examples, of their results and of the first page lead to files and headings", () => {
  const broken: string[] = [];
  let count = 0;
  const all = [join(root, "README.md"), ...["examples", "docs/results"].flatMap((name) => documents(join(root, name)))];
  for (const path of all) {
    const text = readFileSync(path, "utf8").replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      count++;
      const [file, heading] = target.split("#");
      const to = file === "" ? path : join(dirname(path), decodeURI(file));
      if (!existsSync(to)) broken.push(`${relative(root, path)}: ${target}`);
      else if (heading !== undefined && to.endsWith(".md")) {
        const headings = Array.from(readFileSync(to, "utf8").matchAll(/^#+ (.*)$/gm), ([, one]) => anchor(one));
        if (!headings.includes(heading)) broken.push(`${relative(root, path)}: ${target}: no such heading`);
      }
    }
  }
  expect(broken).toEqual([]);
  expect(count).toBeGreaterThan(40);
});
