/** Round numbers in a range, ascending: some `count` of them, a step of 1, 2 or 5 times a power of ten apart. */
export function linearTicks(from: number, to: number, count = 6): number[] {
  const { mantissa, exponent } = roundStep((to - from) / count);
  const power = 10 ** Math.abs(exponent);
  // Dividing by a power of ten rounds once, multiplying by its inverse twice.
  const times = (i: number) => (exponent < 0 ? (i * mantissa) / power : i * mantissa * power);
  const step = times(1);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  const ticks: number[] = [];
  // Ends that numbers of this size cannot tell apart have no ticks between them.
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return ticks;
  for (let i = first; i <= last; i++) ticks.push(times(i) + 0);
  return ticks;
}

/** The least of 1, 2, 5 and 10 times a power of ten that is no smaller. */
function roundStep(least: number): { readonly mantissa: number; readonly exponent: number } {
  const exponent = Math.floor(Math.log10(least));
  const share = least / 10 ** exponent;
  const mantissa = [1, 2, 5, 10].find((round) => round >= share * (1 - 1e-9)) ?? 10;
  return { mantissa, exponent };
}

const digitSets = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

/**
 * Ticks of a logarithmic axis: powers of ten, every few of them where they are many; with 2 and 5 or all digits between
 * where they are few; those of a linear axis where even these are.
 * @param from above 0
 */
export function logTicks(from: number, to: number, count = 6): number[] {
  const [first, last] = [Math.floor(Math.log10(from)), Math.ceil(Math.log10(to))];
  const stride = Math.max(1, Math.ceil((last - first) / (count + 2)));
  for (const digits of stride > 1 ? [[1]] : digitSets) {
    const ticks: number[] = [];
    for (let exponent = first; exponent <= last; exponent++) {
      if (exponent % stride !== 0) continue;
      for (const digit of digits) ticks.push(Number(`${digit}e${exponent}`));
    }
    const inside = ticks.filter((tick) => tick >= from * (1 - 1e-9) && tick <= to * (1 + 1e-9));
    if (inside.length >= 3) return inside;
  }
  return linearTicks(from, to, count).filter((tick) => tick > 0);
}

/** A tick as short as it can be written; `percent` for shares. */
export function tickLabel(value: number, percent = false): string {
  return percent ? `${Number((value * 100).toPrecision(12))}%` : `${Number(value.toPrecision(12))}`;
}
