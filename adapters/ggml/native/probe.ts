/**
 * Run as a process of its own: loads one set of libraries and prints its devices as one line of JSON. A
 * driver that crashes while it starts takes only this process down.
 */
import { describeDevice } from '../backend.js';
import type { BinaryVariant } from './library.js';
import { loadRuntime } from './runtime.js';

const runtime = loadRuntime(process.argv[2] as BinaryVariant);
const devices = runtime.devices.map((device) => describeDevice(runtime, device));
process.stdout.write(`\n${JSON.stringify(devices)}\n`);
