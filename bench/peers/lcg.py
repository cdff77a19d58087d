"""The order of examples, as examples/lcg.ts draws it: a linear congruential generator."""


class Lcg:
    """s <- 1664525 s + 1013904223 (mod 2^32); a draw below n is floor(s n / 2^32)."""

    def __init__(self, seed: int):
        self.state = seed % 2**32

    def below(self, n: int) -> int:
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return (self.state * n) >> 32


def batches(count: int, size: int, random: Lcg):
    """Index lists, epoch after epoch: shuffled anew (Fisher and Yates, from the end), cut into equal batches."""
    order = list(range(count))
    while True:
        for i in range(count - 1, 0, -1):
            j = random.below(i + 1)
            order[i], order[j] = order[j], order[i]
        for start in range(0, count - size + 1, size):
            yield order[start : start + size]
