/**
 * Planting mutants: a source file with all its mutants in it, each behind a switch.
 *
 * A *mutant* is one small fault: `a < b` becomes `a <= b`, a statement goes, a guard always holds. A *planted* file carries
 * all of its mutants at once; `$m(17)` says whether mutant 17 is on, and notes that it was reached:
 *
 *     if (a < b) f();        if (($m(1) ? true : $m(2) ? a <= b : a < b)) if (!$m(3)) f();
 *
 * So a file is planted once, its tests are bundled once, and a mutant costs no more than a run of the tests that reach it.
 *
 * Left alone: types, the texts of messages (a text with a space in it, all that stands in an error), `toString` and what
 * prints for debugging.
 */
import { parse } from "@babel/parser";

/**
 * @typedef {{ type: string, start: number, end: number, [key: string]: any }} Node  a node of Babel's syntax tree
 *
 * @typedef {object} Mutant
 * @property {number} id
 * @property {string} file      relative to the root
 * @property {number} line      from 1
 * @property {string} inside    the functions and classes around it: `Tape.add`
 * @property {string} text      its line, trimmed
 * @property {string} original
 * @property {string} mutated
 * @property {number} nth       which one of those that are alike in all of the above but the line's number, from 1
 */

/**
 * Plants all mutants of a source file.
 *
 * @param {string} source
 * @param {string} file   relative to the root
 * @param {number} first  the first mutant's id
 * @returns {{ code: string, mutants: Mutant[] }} `code` is TypeScript and refers to `$m: (id: number) => boolean`
 */
export function plant(source, file, first = 0) {
  const tree = parse(source, { sourceType: "module", plugins: ["typescript", "explicitResourceManagement"] });
  const planter = new Planter(source, file, first);
  const code = planter.render(/** @type {Node} */ (/** @type {unknown} */ (tree.program)), NOWHERE);
  return { code, mutants: planter.mutants };
}

/**
 * What is known of the place where a node stands.
 *
 * @typedef {object} Place
 * @property {boolean} value  an expression whose value is used as it is, so that a switch may stand around it
 * @property {"test" | "loop" | "operand" | "returned"} [as]
 *   a condition, a loop's condition, an operand of `&&` or `||`, or what a function returns
 */
const NOWHERE = /** @type {Place} */ ({ value: false });
const VALUE = /** @type {Place} */ ({ value: true });
const TEST = /** @type {Place} */ ({ value: true, as: "test" });
const LOOP = /** @type {Place} */ ({ value: true, as: "loop" });
const OPERAND = /** @type {Place} */ ({ value: true, as: "operand" });
const RETURN = /** @type {Place} */ ({ value: true, as: "returned" });

const SWAPS = /** @type {Record<string, string[]>} */ ({
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "==": ["!="],
  "!=": ["=="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "&&": ["||"],
  "||": ["&&"],
  "??": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  "%=": ["*="],
  "|=": ["&="],
  "&=": ["|="],
  "<<=": [">>="],
  ">>=": ["<<="],
  "&&=": ["||="],
  "||=": ["&&="],
  "??=": ["&&="],
});

/** Methods for which another does nearly the same. */
const METHODS = /** @type {Record<string, string>} */ ({
  some: "every",
  every: "some",
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
  trunc: "ceil",
  round: "floor",
  find: "findLast",
  findLast: "find",
  indexOf: "lastIndexOf",
  lastIndexOf: "indexOf",
  push: "unshift",
  unshift: "push",
  pop: "shift",
  shift: "pop",
  startsWith: "endsWith",
  endsWith: "startsWith",
  flatMap: "map",
});

/** Methods of which the mutant returns the object itself. */
const SKIPPED = new Set(["slice", "filter", "reverse", "toReversed", "sort", "toSorted", "concat", "subarray", "trim"]);

const COMPARISON = new Set(["<", "<=", ">", ">=", "===", "!==", "==", "!=", "in", "instanceof"]);
/** Nodes that only wrap an expression for the type checker. */
const TYPED = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression", "TSInstantiationExpression"]);
const FUNCTIONS = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
  "ClassMethod",
  "ClassPrivateMethod",
  "ObjectMethod",
]);
/** Keys of a node that don't lead to code. */
const NO_CODE = new Set([
  "loc",
  "extra",
  "leadingComments",
  "trailingComments",
  "innerComments",
  "typeAnnotation",
  "typeParameters",
  "typeArguments",
  "returnType",
  "superTypeParameters",
  "implements",
  "predicate",
  "directives",
]);

class Planter {
  /** @type {Mutant[]} */
  mutants = [];
  /** @type {string[]} */
  #inside = [];
  /** How many mutants of each key there are. @type {Map<string, number>} */
  #alike = new Map();

  /** @param {string} source @param {string} file @param {number} first */
  constructor(source, file, first) {
    this.source = source;
    this.file = file;
    this.first = first;
    this.lines = source.split("\n");
  }

  /** @param {{ start: number, end: number }} node */
  text(node) {
    return this.source.slice(node.start, node.end);
  }

  /**
   * Registers a mutant.
   *
   * @param {{ start: number, end: number }} node
   * @param {string} mutated
   * @returns {number} its id
   */
  add(node, mutated) {
    const before = this.source.slice(0, node.start);
    const line = before.split("\n").length;
    const original = this.text(node);
    const inside = this.#inside.join(".");
    const text = this.lines[line - 1].trim();
    const key = JSON.stringify([inside, text, original, mutated]);
    const nth = (this.#alike.get(key) ?? 0) + 1;
    this.#alike.set(key, nth);
    const id = this.first + this.mutants.length;
    this.mutants.push({ id, file: this.file, line, inside, text, original, mutated, nth });
    return id;
  }

  /**
   * The text of a node with the mutants of it and of all below it planted.
   *
   * @param {Node} node
   * @param {Place} place
   * @returns {string}
   */
  render(node, place) {
    if (isLeftAlone(node)) return this.text(node);
    const name = nameOf(node);
    if (name !== null) this.#inside.push(name);
    const versions = place.value ? this.#versions(node, place) : [];
    const ids = versions.map((mutated) => this.add(node, mutated));
    const rendered = this.#statement(node, this.#inner(node));
    if (name !== null) this.#inside.pop();
    if (versions.length === 0) return rendered;
    return `(${versions.map((mutated, i) => `$m(${ids[i]}) ? (${mutated}) : `).join("")}(${rendered}))`;
  }

  /**
   * The text of a node in which everything below it is planted.
   *
   * @param {Node} node
   */
  #inner(node) {
    let text = "";
    let at = node.start;
    for (const [child, place] of children(node)) {
      // A shorthand property's key and value are one piece of text.
      if (child.start < at) continue;
      text += this.source.slice(at, child.start) + this.render(child, place);
      at = child.end;
    }
    return text + this.source.slice(at, node.end);
  }

  /**
   * Statements and blocks that a mutant leaves out.
   *
   * @param {Node} node
   * @param {string} rendered
   */
  #statement(node, rendered) {
    switch (node.type) {
      case "ExpressionStatement":
      case "BreakStatement":
      case "ContinueStatement":
      case "ReturnStatement":
        if (node.argument || callsSuper(node)) return rendered;
        return `{ if (!$m(${this.add(node, ";")})) ${rendered} }`;
      case "BlockStatement": {
        // One statement alone has its own mutant, and `throw` its guard's.
        const [only, ...more] = node.body;
        const own = ["ExpressionStatement", "ReturnStatement", "ThrowStatement", "BreakStatement", "ContinueStatement"];
        if (only === undefined || (more.length === 0 && own.includes(only.type))) return rendered;
        if (node.body.some(callsSuper) || node.body.at(-1).type === "ThrowStatement") return rendered;
        return `{ if (!$m(${this.add(node, "{}")})) ${rendered} }`;
      }
      default:
        return rendered;
    }
  }

  /**
   * What an expression becomes in its mutants.
   *
   * @param {Node} node
   * @param {Place} place
   * @returns {string[]}
   */
  #versions(node, place) {
    const of = (/** @type {Node} */ part) => this.text(part);
    const isLogical = node.operator === "&&" || node.operator === "||";
    const isCondition = place.as === "test" || place.as === "loop";
    const versions = isCondition && node.operator === "!" ? [] : this.#changes(node, place);
    if (node.type.startsWith("Optional")) versions.push(...this.#withoutQuestion(node));
    if (isCondition && !COMPARISON.has(node.operator)) {
      // Of `a && b` "true" says no more than `a` alone and `b` alone do.
      if (node.operator !== "||") versions.push("false");
      if (node.operator !== "&&" && place.as === "test") versions.push("true");
    }
    const isReturned = place.as === "returned" && !isLogical && versions.length === 0;
    if (isReturned && RETURNED.has(bare(node).type)) versions.push("undefined");
    return [...new Set(versions)].filter((mutated) => mutated !== of(node));
  }

  /**
   * @param {Node} node
   * @param {Place} place
   * @returns {string[]}
   */
  #changes(node, place) {
    const of = (/** @type {{ start: number, end: number }} */ part) => this.text(part);
    switch (node.type) {
      case "BinaryExpression":
      case "LogicalExpression":
      case "AssignmentExpression": {
        const { left, right, operator } = node;
        if (operator.startsWith("+") && (isText(left) || isText(right))) return [];
        const at = this.source.indexOf(operator, left.end);
        const [before, after] = [this.source.slice(node.start, at), this.source.slice(at + operator.length, node.end)];
        // Between `??` and `&&` brackets are wanted.
        const swaps = (SWAPS[operator] ?? []).map((other) =>
          operator === "??" ? `(${of(left)}) ${other} (${of(right)})` : before + other + after,
        );
        // In `a && b` the operands alone say the same.
        if (COMPARISON.has(operator) && place.as !== "operand") swaps.push("false");
        if (COMPARISON.has(operator) && place.as !== "operand" && place.as !== "loop") swaps.push("true");
        if (operator === "&&" || operator === "||") {
          swaps.push(of(left));
          if (left.operator !== operator) swaps.push(of(right));
        }
        return swaps;
      }
      case "UnaryExpression":
        return ["!", "-", "~"].includes(node.operator) ? [of(node.argument)] : [];
      case "UpdateExpression": {
        const other = node.operator === "++" ? "--" : "++";
        return [node.prefix ? other + of(node.argument) : of(node.argument) + other];
      }
      case "NumericLiteral":
        return [node.value === 1 ? "0" : String(node.value + 1)];
      case "BooleanLiteral":
        return [String(!node.value)];
      case "StringLiteral":
        return node.value === "" ? [] : ['""'];
      case "TemplateLiteral":
        return ['""'];
      case "ArrayExpression":
        return node.elements.length > 0 ? ["[]"] : [];
      case "CallExpression":
      case "OptionalCallExpression": {
        const { callee } = node;
        if (!callee.type.endsWith("MemberExpression") || callee.computed || callee.property.type !== "Identifier") {
          return [];
        }
        const { name } = callee.property;
        // The chain's end would go with it.
        const plain = callee.type === "MemberExpression";
        if (plain && SKIPPED.has(name)) return [of(callee.object)];
        if (plain && callee.object.name === "Math" && name === "abs") return [node.arguments.map(of).join(", ")];
        if (!Object.hasOwn(METHODS, name)) return [];
        const { start, end } = callee.property;
        return [this.source.slice(node.start, start) + METHODS[name] + this.source.slice(end, node.end)];
      }
      default:
        return [];
    }
  }

  /**
   * An optional chain without one of its question marks.
   *
   * @param {Node} chain
   * @returns {string[]}
   */
  #withoutQuestion(chain) {
    /** @type {string[]} */
    const versions = [];
    for (let link = chain; link.type.startsWith("Optional") || TYPED.has(link.type); ) {
      const object = link.object ?? link.callee ?? link.expression;
      if (link.optional) {
        const at = this.source.indexOf("?.", object.end);
        const dot = link.type === "OptionalMemberExpression" && !link.computed ? "." : "";
        versions.push(this.source.slice(chain.start, at) + dot + this.source.slice(at + 2, chain.end));
      }
      link = object;
    }
    return versions;
  }
}

/** Expressions of which a function may return nothing instead. Others have mutants of their own. */
const RETURNED = new Set([
  "Identifier",
  "CallExpression",
  "OptionalCallExpression",
  "MemberExpression",
  "OptionalMemberExpression",
  "NewExpression",
  "ObjectExpression",
  "AwaitExpression",
]);

/**
 * A node without what is written for the type checker.
 *
 * @param {Node} node
 * @returns {Node}
 */
const bare = (node) => (TYPED.has(node.type) ? bare(node.expression) : node);

/** @param {Node} node */
const isText = (node) => node.type === "StringLiteral" || node.type === "TemplateLiteral";

/** @param {Node} statement */
const callsSuper = (statement) =>
  statement.type === "ExpressionStatement" &&
  statement.expression.type === "CallExpression" &&
  statement.expression.callee.type === "Super";

/**
 * Types, messages, and what prints.
 *
 * @param {Node} node
 */
function isLeftAlone(node) {
  if (node.type.startsWith("TS") && !TYPED.has(node.type) && node.type !== "TSParameterProperty") return true;
  if (/^(Import|ExportAll|ThrowStatement)/.test(node.type) && node.type !== "ImportExpression") return true;
  if (node.declare === true || node.type === "Directive") return true;
  if (node.type === "NewExpression" && /Error$/.test(node.callee.name ?? "")) return true;
  if (node.type === "CallExpression" && isReport(node.callee)) return true;
  if (node.type === "StringLiteral") return node.value.includes(" ");
  if (node.type === "TemplateLiteral") {
    return node.quasis.some((/** @type {Node} */ { value }) => /\S \S|^\s|\s$|\n/.test(value.cooked));
  }
  return PRINTS.test(nameOf(node) ?? "");
}

const PRINTS = /^(toString|toJSON|inspect|format|describe|print|Symbol\.toStringTag)$|^(format|describe|print)[A-Z]/;

/** @param {Node} callee */
function isReport(callee) {
  return callee.object?.name === "console" || /^(assert|warn|fail)$|Error$|Warning$/.test(callee.name ?? "");
}

/** @param {Node} node */
function ownName(node) {
  const key = node.id ?? node.key;
  if (!key) return null;
  if (key.type === "MemberExpression") return `${key.object.name}.${key.property.name}`;
  if (key.type === "PrivateName") return `#${key.id.name}`;
  return key.name ?? null;
}

/**
 * The name under which what stands inside a node is found.
 *
 * @param {Node} node
 * @returns {string | null}
 */
function nameOf(node) {
  if (/^Class(Declaration|Expression)$/.test(node.type) || FUNCTIONS.has(node.type)) return ownName(node);
  if (node.type === "VariableDeclarator" && node.id.type === "Identifier") {
    return node.init && FUNCTIONS.has(bare(node.init).type) ? ownName(node) : null;
  }
  return null;
}

/**
 * The nodes right below a node, in the order of the text, with their places.
 *
 * @param {Node} node
 * @returns {[Node, Place][]}
 */
function children(node) {
  /** @type {[Node, Place][]} */
  const found = [];
  for (const key of Object.keys(node)) {
    if (NO_CODE.has(key)) continue;
    const value = node[key];
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === "object" && typeof child.type === "string") {
        found.push([child, placeOf(node, key, child)]);
      }
    }
  }
  return found.sort(([a], [b]) => a.start - b.start);
}

/**
 * @param {Node} parent
 * @param {string} key
 * @param {Node} child
 * @returns {Place}
 */
function placeOf(parent, key, child) {
  switch (parent.type) {
    case "VariableDeclarator":
    case "ClassProperty":
    case "ClassPrivateProperty":
      return key === (parent.type === "VariableDeclarator" ? "init" : "value") ? VALUE : NOWHERE;
    case "ObjectProperty":
      return key === "value" && !parent.shorthand ? VALUE : NOWHERE;
    case "AssignmentPattern":
    case "AssignmentExpression":
      return key === "right" ? VALUE : NOWHERE;
    case "ForOfStatement":
    case "ForInStatement":
      return key === "right" ? VALUE : NOWHERE;
    case "ForStatement":
      return key === "test" ? LOOP : key === "body" || child.type === "VariableDeclaration" ? NOWHERE : VALUE;
    case "ReturnStatement":
      return RETURN;
    case "ArrowFunctionExpression":
      return key === "body" && child.type !== "BlockStatement" ? RETURN : NOWHERE;
    case "ExpressionStatement":
      // Updates and compound assignments; of the others the statement's own mutant is enough.
      return ["UpdateExpression", "AssignmentExpression", "CallExpression"].includes(child.type) ? VALUE : NOWHERE;
    case "CallExpression":
    case "OptionalCallExpression":
    case "NewExpression":
      return key === "arguments" && child.type !== "SpreadElement" ? VALUE : NOWHERE;
    case "MemberExpression":
    case "OptionalMemberExpression":
      if (key === "property") return parent.computed ? VALUE : NOWHERE;
      return parent.type === "MemberExpression" && child.type !== "Super" ? VALUE : NOWHERE;
    case "IfStatement":
      return key === "test" ? TEST : NOWHERE;
    case "ConditionalExpression":
      return key === "test" ? TEST : VALUE;
    case "WhileStatement":
    case "DoWhileStatement":
      return key === "test" ? LOOP : NOWHERE;
    case "SwitchStatement":
      return key === "discriminant" ? VALUE : NOWHERE;
    case "SwitchCase":
      return key === "test" ? VALUE : NOWHERE;
    case "UnaryExpression":
      return ["delete", "typeof"].includes(parent.operator) || child.type === "NumericLiteral" ? NOWHERE : VALUE;
    case "ArrayExpression":
      return child.type === "SpreadElement" ? NOWHERE : VALUE;
    case "BinaryExpression":
      // `kind === ""` would say what `false` says.
      return child.type === "PrivateName" || child.type === "StringLiteral" ? NOWHERE : VALUE;
    case "LogicalExpression":
      return parent.operator === "??" ? VALUE : OPERAND;
    case "SpreadElement":
    case "AwaitExpression":
    case "YieldExpression":
    case "TemplateLiteral":
    case "SequenceExpression":
    case "TSAsExpression":
    case "TSSatisfiesExpression":
      return child.type === "TemplateElement" ? NOWHERE : VALUE;
    case "TSNonNullExpression":
      return child.type.startsWith("Optional") ? NOWHERE : VALUE;
    default:
      return NOWHERE;
  }
}
