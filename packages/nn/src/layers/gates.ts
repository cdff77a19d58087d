/**
 * Gates: what the kinds of recurrent cells compute from an input and a state.
 *
 * A cell's *gates* are the pieces of one matrix product, a few for each hidden unit. The input's share of it and the
 * state's share come apart, because a layer computes the input's for the whole sequence at once.
 */
import { ArgumentError, relu, type Tensor } from "@loopgrad/tensor";

/** How one kind of cell goes from gates to a state. A state is [h], or [h, c] for an LSTM. */
export interface Kind {
  /** Gates per hidden unit. */
  readonly gates: number;
  readonly states: number;
  /** @param x  the input's share of the gates, [N, gates · hidden]; @param h  the state's share */
  next(x: Tensor, h: Tensor, state: readonly Tensor[]): Tensor[];
}

/** h′ = tanh(x + h), or relu. */
const plain = (nonlinearity: "tanh" | "relu"): Kind => ({
  gates: 1,
  states: 1,
  next: (x, h) => [nonlinearity === "tanh" ? x.add(h).tanh() : relu(x.add(h))],
});

/** c′ = σ(f) c + σ(i) tanh(g);  h′ = σ(o) tanh(c′). */
export const lstm: Kind = {
  gates: 4,
  states: 2,
  next(x, h, [, c]) {
    const [i, f, g, o] = x.add(h).chunk(4, 1);
    const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return [o.sigmoid().mul(next.tanh()), next];
  },
};

/** n = tanh(xₙ + σ(r) hₙ);  h′ = n + σ(z) (h − n). */
export const gru: Kind = {
  gates: 3,
  states: 1,
  next(x, h, [before]) {
    const [xr, xz, xn] = x.chunk(3, 1);
    const [hr, hz, hn] = h.chunk(3, 1);
    const n = xn.add(xr.add(hr).sigmoid().mul(hn)).tanh();
    return [n.add(xz.add(hz).sigmoid().mul(before.sub(n)))];
  },
};

/** The kind of a plain cell with a nonlinearity. */
export function plainKind(who: string, nonlinearity: "tanh" | "relu"): Kind {
  if (nonlinearity === "tanh" || nonlinearity === "relu") return plain(nonlinearity);
  throw new ArgumentError(`${who}: nonlinearity ${String(nonlinearity)}: wanted "tanh" or "relu"`);
}
