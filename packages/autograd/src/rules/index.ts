/**
 * The derivative rules, by family. Importing this fills the table.
 */
import "./elementwise.ts";
import "./reduce.ts";
import "./movement.ts";
import "./contraction.ts";
import "./indexing.ts";

export { type Derivative, OUTPUT, RULES } from "./rule.ts";
