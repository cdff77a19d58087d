/**
 * Jest's `globalSetup` for the tests in a browser: the demo pages are built before the first of them.
 */
import { buildDemos } from "../demos/build.mjs";

export default async function setup() {
  await buildDemos();
}
