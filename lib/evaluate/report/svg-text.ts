/** A text between tags or in a quoted attribute; what XML 1.0 cannot hold becomes U+FFFD. */
export function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll(/[&<>"'\t\n\r]/gu, (character) => `&#${character.codePointAt(0)};`);
}

/** A coordinate, to a hundredth of a pixel. */
export function coordinate(value: number): string {
  return `${Number(value.toFixed(2)) + 0}`;
}
