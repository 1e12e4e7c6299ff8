import { expect, test } from '@jest/globals';
import {
  compareVersions,
  isPrerelease,
  sameVersion,
} from '../../../adapters/models/python-version.js';

const ascending = [
  'nonsense',
  '0.9',
  '1.0.dev1',
  '1.0.dev2',
  '1.0a1.dev1',
  '1.0a1',
  '1.0a2',
  '1.0b1',
  '1.0rc1',
  '1.0rc2',
  '1.0',
  '1.0.post1.dev1',
  '1.0.post1',
  '1.0.post2',
  '1.0.1',
  '1.9',
  '1.10',
  '2024.1',
  '1!0.1',
];

test('versions are in the order of PEP 440', () => {
  expect(ascending.toReversed().toSorted(compareVersions)).toEqual(ascending);
  for (const [index, version] of ascending.entries()) {
    expect(compareVersions(version, version)).toBe(0);
    for (const later of ascending.slice(index + 1)) {
      expect(compareVersions(version, later)).toBeLessThan(0);
      expect(compareVersions(later, version)).toBeGreaterThan(0);
    }
  }
});

test.each([
  ['1.0', '1'],
  ['1.0', 'v1.0.0'],
  ['1.0RC1', '1.0c1'],
  ['1.0-alpha.1', '1.0a1'],
  ['1.0-1', '1.0.post1'],
  ['1.0.rev1', '1.0-r1'],
  ['0!1.0', '1.0'],
  ['1.0a', '1.0a0'],
  ['odd thing', 'ODD THING'],
])('%s is %s', (a, b) => {
  expect(sameVersion(a, b)).toBe(true);
});

test.each([
  ['1.0', '1.0.1'],
  ['1.0', '1.0.post1'],
  ['odd', 'other'],
  ['odd', '1.0'],
])('%s is not %s', (a, b) => {
  expect(sameVersion(a, b)).toBe(false);
});

test('what a pre-release is', () => {
  const before = ascending.filter(isPrerelease);
  expect(before).toEqual(
    [...ascending.slice(2, 10), '1.0.post1.dev1', 'nonsense'].toSorted(
      (a, b) => ascending.indexOf(a) - ascending.indexOf(b),
    ),
  );
});
