/**
 * Einstein summation: every dim of every operand has a letter; letters that are not in the result are summed over.
 *
 * Operands are contracted from left to right. A pair is brought into the form [batch, M, K] × [batch, K, N]:
 * *batch* letters occur in both and are needed later, *K* letters in both and nowhere else.
 */

import { bind } from "../bind.ts";
import { operation } from "../checked.ts";
import { ArgumentError, ShapeError } from "../errors.ts";
import { matmulP, reshapeP, sumP } from "../primitives.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { diagonal } from "./diagonal.ts";
import { expandTo, permuteTo, reshapeTo } from "./movement.ts";
import { cast, resultDType } from "./operand.ts";

/** A tensor and the letter of each of its dims. */
interface Labelled {
  readonly x: Tensor;
  readonly letters: string;
}

interface Einsum {
  (equation: string, operands: readonly Tensor[]): Tensor;
  (equation: string, ...operands: readonly Tensor[]): Tensor;
}

/**
 * Sums of products by the letters of dims.
 *
 * @param equation  such as "bij,bjk->bik"; "..." stands for further dims, which broadcast; without "->" the result has
 *                  the letters that occur once, in alphabetical order
 * @param operands  one per group of letters, in an array or one after the other
 * @throws          ArgumentError if the equation is malformed, ShapeError if sizes of a letter differ
 * @example         einsum("ij,jk->ik", [a, b]) // matmul; also einsum("ij,jk->ik", a, b)
 */
export const einsum: Einsum = operation(
  ["einsum(equation: string, operands: tensors)", "einsum(equation: string, ...operands: tensor)"],
  (equation: string, ...given: readonly (Tensor | readonly Tensor[])[]): Tensor => {
    // A call of fewer arguments than six is handed on with undefined in their place.
    const operands = given.flat().filter((x) => x !== undefined);
    if (operands.length === 0) throw new ArgumentError(`einsum "${equation}": wanted at least one operand`);
    const { groups, result } = parse(equation, operands);
    const sizes = new Map<string, number>();
    operands.forEach((x, i) => {
      [...groups[i]].forEach((letter, axis) => {
        const [known, size] = [sizes.get(letter) ?? 1, x.shape[axis]];
        if (known !== 1 && size !== 1 && known !== size) {
          throw new ShapeError(`einsum "${equation}": letter ${readable(letter)} is ${known} and ${size}`);
        }
        sizes.set(letter, Math.max(known, size));
      });
    });
    const dtype = operands.reduce((a, b) => (resultDType(a, b) === a.dtype ? a : b)).dtype;
    let rest = operands.map((x, i) => withoutRepeats({ x: cast(x, dtype), letters: groups[i] }));
    let left = rest[0];
    for (rest = rest.slice(1); rest.length > 0; rest = rest.slice(1)) {
      const later =
        result +
        rest
          .slice(1)
          .map((operand) => operand.letters)
          .join("");
      left = contract(left, rest[0], later, sizes);
    }
    const { x, letters } = summed(left, result);
    const present = [...result].filter((letter) => letters.includes(letter)).join("");
    const ordered = permuteTo(
      x,
      [...present].map((letter) => letters.indexOf(letter)),
    );
    return expandTo(
      ordered,
      [...result].map((letter) => sizes.get(letter) as number),
    );
  },
) as Einsum;

/** Letters of the operands and of the result, dims of "..." as letters of a private range. */
function parse(equation: string, operands: readonly Tensor[]): { groups: string[]; result: string } {
  const [inputs, output, more] = equation.replaceAll(" ", "").split("->");
  const groups = inputs.split(",");
  const malformed = (why: string): ArgumentError => new ArgumentError(`einsum "${equation}": ${why}`);
  if (more !== undefined) throw malformed('"->" occurs twice');
  if (groups.length !== operands.length) {
    throw malformed(`${groups.length} groups of letters for ${operands.length} operands`);
  }
  for (const group of [...groups, output ?? ""]) {
    if (!/^[a-zA-Z]*(\.\.\.)?[a-zA-Z]*$/.test(group)) throw malformed(`"${group}": wanted letters, and "..." once`);
  }
  let widest = 0;
  const expanded = groups.map((group, i) => {
    const { rank, shape } = operands[i];
    const named = group.replace("...", "").length;
    const extra = rank - named;
    if (extra < 0 || (extra > 0 && !group.includes("..."))) {
      throw new ShapeError(`einsum "${equation}": "${group}" has ${named} letters, operand ${i} is ${show(shape)}`);
    }
    widest = Math.max(widest, extra);
    return group.replace("...", ellipsis(extra));
  });
  const all = expanded.join("");
  if (output === undefined) {
    const once = [...new Set(all)].filter(
      (letter) => /[a-zA-Z]/.test(letter) && all.indexOf(letter) === all.lastIndexOf(letter),
    );
    return { groups: expanded, result: ellipsis(widest) + once.sort().join("") };
  }
  const result = output.replace("...", ellipsis(widest));
  for (const letter of result) {
    if (!all.includes(letter)) throw malformed(`the result's letter ${readable(letter)} occurs in no operand`);
  }
  if (new Set(result).size !== result.length) throw malformed("a letter occurs twice in the result");
  return { groups: expanded, result };
}

/** First of the characters that stand for the dims of "...", counted from the last. */
const PRIVATE = 0xe000;
const ellipsis = (count: number): string =>
  Array.from({ length: count }, (_, i) => String.fromCharCode(PRIVATE + count - 1 - i)).join("");
const readable = (letter: string): string => (letter.charCodeAt(0) >= PRIVATE ? 'of "..."' : letter);

/** Letters that occur twice in one operand: the diagonal. */
function withoutRepeats({ x, letters }: Labelled): Labelled {
  for (let i = 0; i < letters.length; ) {
    const j = letters.indexOf(letters[i], i + 1);
    if (j < 0) {
      i++;
      continue;
    }
    if (x.shape[i] !== x.shape[j])
      throw new ShapeError(`einsum: letter ${letters[i]} twice, of sizes ${x.shape[i]} and ${x.shape[j]}`);
    x = diagonal(x, 0, i, j);
    const letter = letters[i];
    letters = [...letters].filter((_, axis) => axis !== i && axis !== j).join("") + letter;
    i = 0;
  }
  return { x, letters };
}

/** Sums over the letters that are not wanted. */
function summed({ x, letters }: Labelled, wanted: string): Labelled {
  const axes = [...letters].flatMap((letter, axis) => (wanted.includes(letter) ? [] : [axis]));
  if (axes.length === 0) return { x, letters };
  const shape = x.shape.filter((_, axis) => !axes.includes(axis));
  return {
    x: bind(reshapeP, [bind(sumP, [x], axes)], shape),
    letters: [...letters].filter((l) => wanted.includes(l)).join(""),
  };
}

/** The product of two operands, summed over the letters that nothing later needs. */
function contract(p: Labelled, q: Labelled, later: string, sizes: ReadonlyMap<string, number>): Labelled {
  const a = summed(p, q.letters + later);
  const b = summed(q, p.letters + later);
  const shared = [...a.letters].filter((letter) => b.letters.includes(letter));
  const batch = shared.filter((letter) => later.includes(letter)).join("");
  const inner = shared.filter((letter) => !later.includes(letter)).join("");
  const rows = [...a.letters].filter((letter) => !b.letters.includes(letter)).join("");
  const columns = [...b.letters].filter((letter) => !a.letters.includes(letter)).join("");
  const size = (letters: string): number => [...letters].reduce((n, letter) => n * (sizes.get(letter) as number), 1);
  // In full size, because a letter may be 1 in one operand and broadcast.
  const arranged = (operand: Labelled, order: string): Tensor => {
    const moved = permuteTo(
      operand.x,
      [...order].map((letter) => operand.letters.indexOf(letter)),
    );
    return expandTo(
      moved,
      [...order].map((letter) => sizes.get(letter) as number),
    );
  };
  const left = reshapeTo(arranged(a, batch + rows + inner), [size(batch), size(rows), size(inner)]);
  const right = reshapeTo(arranged(b, batch + inner + columns), [size(batch), size(inner), size(columns)]);
  const letters = batch + rows + columns;
  return {
    x: reshapeTo(
      bind(matmulP, [left, right]),
      [...letters].map((l) => sizes.get(l) as number),
    ),
    letters,
  };
}
