/** The date that templates are told: a prompt that changed every day could never be cached. */
const DATE = { year: 2025, month: 1, day: 1, weekday: 'Wednesday' };

const two = (value: number): string => String(value).padStart(2, '0');

/** Values of `strftime` directives at midnight, in English, whatever the machine's locale. */
const DIRECTIVES: Readonly<Record<string, string>> = {
  Y: String(DATE.year),
  y: two(DATE.year % 100),
  m: two(DATE.month),
  d: two(DATE.day),
  e: String(DATE.day).padStart(2),
  b: 'Jan',
  B: 'January',
  h: 'Jan',
  a: DATE.weekday.slice(0, 3),
  A: DATE.weekday,
  j: '001',
  H: '00',
  I: '12',
  M: '00',
  S: '00',
  p: 'AM',
  f: '000000',
  z: '+0000',
  Z: 'UTC',
  F: `${DATE.year}-${two(DATE.month)}-${two(DATE.day)}`,
  T: '00:00:00',
  '%': '%',
};

/** Formats the pinned date like C's `strftime`; unknown directives stay. `%-d` and the like drop zeros. */
export function strftime(format: string): string {
  return format.replace(/%(-?)(.)/g, (whole, bare: string, directive: string) => {
    const value = DIRECTIVES[directive];
    if (value === undefined) return whole;
    return bare ? value.replace(/^[0 ]+(?=.)/, '') : value;
  });
}

/** The date in words. */
export function pinnedDate(): string {
  return strftime('%-d %B %Y');
}
