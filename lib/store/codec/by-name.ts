import { bfpCodec } from './bfp.js';
import type { KvCodec } from './codec.js';
import { f16Codec } from './f16.js';
import { q8Codec } from './q8-0.js';

/** The codec that a record names; undefined for one that this version does not know. */
export function codecByName(name: string): KvCodec | undefined {
  if (name === 'f16') return f16Codec();
  if (name === 'q8_0') return q8Codec();
  const [, bits, group, sorted] = /^bfp([4-8])x([1-9][0-9]{1,2})(-sorted)?$/.exec(name) ?? [];
  if (!bits || Number(group) < 16 || Number(group) > 128) return undefined;
  return bfpCodec({ bits: Number(bits), group: Number(group), sortKeys: sorted !== undefined });
}
