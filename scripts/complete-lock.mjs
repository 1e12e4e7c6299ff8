/**
 * Completes package-lock.json after `npm install`. A registry mirror that lacks the packages of other
 * platforms makes npm leave them out of the lock, and `npm ci` then refuses it on every machine. Each
 * missing one gets an entry with its version and platform; npm never fetches it where it does not fit.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const systems = {
  android: 'android',
  darwin: 'darwin',
  mac: 'darwin',
  freebsd: 'freebsd',
  openharmony: 'openharmony',
  linux: 'linux',
  win: 'win32',
  win32: 'win32',
  windows: 'win32',
  openbsd: 'openbsd',
  netbsd: 'netbsd',
  sunos: 'sunos',
  aix: 'aix',
  wasm32: 'wasm32',
};
const cpus = [
  'arm64',
  'armv7l',
  'arm',
  'ppc64',
  'riscv64',
  's390x',
  'loong64',
  'ia32',
  'x64',
  'wasm32',
  'universal',
];

function platformOf(name) {
  const words = name.split('/').at(-1).split(/[-_.]/);
  const system = words.map((word) => systems[word]).find(Boolean);
  const cpu =
    cpus.find((known) => words.includes(known)) ?? (words.includes('armv7') ? 'arm' : undefined);
  return { system, cpu };
}

let added = 0;
for (const [place, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = place ? `${place}/node_modules/${name}` : `node_modules/${name}`;
    if (lock.packages[nested] || lock.packages[`node_modules/${name}`]) continue;
    const { system, cpu } = platformOf(name);
    if (!system || !/^\d/.test(range)) {
      console.warn(`no platform known for ${name}@${range}: left out`);
      continue;
    }
    lock.packages[`node_modules/${name}`] = {
      version: range,
      ...(cpu && cpu !== 'universal' && { cpu: [cpu] }),
      ...(entry.dev && { dev: true }),
      optional: true,
      os: [system],
    };
    added++;
  }
}
const { '': root, ...rest } = lock.packages;
lock.packages = {
  '': root,
  ...Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1))),
};
writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`${added} entries added`);
