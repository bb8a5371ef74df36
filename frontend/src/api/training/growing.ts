/**
 * A map of the first `size` entries of one that younger ones share; only the youngest may append to it in place.
 * So N additions one after the other cost O(N), where N copies would cost O(N²); an addition to an older one copies.
 */
export class Growing<V> {
  static empty<V>(): Growing<V> {
    return new Growing<V>(new Map(), 0);
  }

  private constructor(
    private readonly shared: Map<string, { readonly position: number; readonly value: V }>,
    readonly size: number,
  ) {}

  /** With one entry more. `key` must be new. */
  plus(key: string, value: V): Growing<V> {
    const newest = this.shared.size === this.size;
    const shared = newest ? this.shared : new Map([...this.shared].slice(0, this.size));
    shared.set(key, { position: this.size, value });
    return new Growing(shared, this.size + 1);
  }

  get(key: string): V | undefined {
    const entry = this.shared.get(key);
    return entry && entry.position < this.size ? entry.value : undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): Generator<[string, V]> {
    let left = this.size;
    for (const [key, { value }] of this.shared) {
      if (left-- === 0) return;
      yield [key, value];
    }
  }
}

/** Sorted, disjoint, inclusive ranges of numbers. */
export type Ranges = readonly (readonly [number, number])[];

/** With `number` in them; neighbours are merged. */
export function withNumber(ranges: Ranges, number: number): Ranges {
  const at = ranges.findIndex(([, last]) => last >= number - 1);
  if (at === -1) return [...ranges, [number, number]];
  const [first, last] = ranges[at] as readonly [number, number];
  if (first <= number && number <= last) return ranges;
  if (number < first - 1) return [...ranges.slice(0, at), [number, number], ...ranges.slice(at)];
  if (number === first - 1) return [...ranges.slice(0, at), [number, last], ...ranges.slice(at + 1)];
  const next = ranges[at + 1];
  if (next && next[0] === number + 1) return [...ranges.slice(0, at), [first, next[1]], ...ranges.slice(at + 2)];
  return [...ranges.slice(0, at), [first, number], ...ranges.slice(at + 1)];
}
