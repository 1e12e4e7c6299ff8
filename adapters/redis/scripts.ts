import { createHash } from 'node:crypto';
import type { Connection, SendOptions } from './connection.js';
import { ServerFailure } from '../record/server-failure.js';

/** A script for the server, known there by its hash once it was sent. */
export interface Script {
  readonly source: string;
  readonly hash: string;
}

/*
 * Everything that changes the index, or a record together with it, is one script, so nobody ever sees one without
 * the other. KEYS 1 to 5 are the index, ARGV 1 is how the names of records begin.
 */
const common = `
local used, names, sizes, hits, ends = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local records = ARGV[1]

local function now()
  local time = redis.call('TIME')
  return string.format('%.3f', time[1] * 1000 + time[2] / 1000)
end

-- Undefined where there is none; 0 of what is no text at all.
local function bytesOf(key)
  if redis.call('EXISTS', records .. key) == 0 then return nil end
  local length = redis.pcall('STRLEN', records .. key)
  return type(length) == 'number' and length or 0
end

local function total()
  return tonumber(redis.call('HGET', sizes, 'total') or '0')
end

local function counted(key)
  return tonumber(redis.call('HGET', sizes, key) or '0')
end

local function count(key, bytes)
  redis.call('HINCRBY', sizes, 'total', bytes - counted(key))
  redis.call('HSET', sizes, key, bytes)
  redis.call('ZADD', names, 0, key)
end

local function forget(key)
  local bytes = counted(key)
  if bytes > 0 then redis.call('HINCRBY', sizes, 'total', -bytes) end
  redis.call('HDEL', sizes, key)
  redis.call('HDEL', hits, key)
  for _, set in ipairs({ used, names, ends }) do redis.call('ZREM', set, key) end
end

local function adopt(key)
  local bytes = bytesOf(key)
  if not bytes then return false end
  count(key, bytes)
  redis.call('ZADD', used, 'NX', 0, key)
  return true
end

local function remove(key)
  local bytes = bytesOf(key)
  redis.call('UNLINK', records .. key)
  forget(key)
  return bytes
end

local function isWhole()
  local count = redis.call('ZCARD', names)
  return redis.call('HEXISTS', sizes, 'whole') == 1 and redis.call('ZCARD', used) == count
    and redis.call('HLEN', sizes) == count + 2
end
`;

function script(body: string): Script {
  const source = common + body;
  return { source, hash: createHash('sha1').update(source).digest('hex') };
}

/**
 * Makes room for a record that was written beside, and moves it to its place.
 * KEYS: the record that was written. ARGV: key, bytes, bound, milliseconds to live or 0.
 * Gives how it ended (1 kept, 0 no room, -1 nothing was written), whether the index is whole, and keys and bytes of
 * what went to make room and of what outlived its time.
 */
export const commitScript = script(`
local written = KEYS[6]
local key, bytes, most, life = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local evicted, expired = {}, {}
if redis.call('EXISTS', written) == 0 then return { -1, 1, evicted, expired } end
local time = now()
for _, over in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', time, 'LIMIT', 0, 100)) do
  table.insert(expired, over)
  table.insert(expired, counted(over))
  remove(over)
end
while total() - counted(key) + bytes > most do
  local victim
  for _, old in ipairs(redis.call('ZRANGE', used, 0, 1)) do
    if old ~= key and not victim then victim = old end
  end
  if not victim then
    redis.call('UNLINK', written)
    return { 0, isWhole() and 1 or 0, evicted, expired }
  end
  local size = remove(victim)
  -- One that the server itself let go has been gone for longer.
  if size then
    table.insert(evicted, victim)
    table.insert(evicted, size)
  end
end
redis.call('UNLINK', records .. key)
redis.call('RENAME', written, records .. key)
count(key, bytes)
redis.call('HDEL', hits, key)
redis.call('ZADD', used, time, key)
if life > 0 then
  redis.call('PEXPIRE', records .. key, ARGV[5])
  redis.call('ZADD', ends, time + life, key)
else
  redis.call('PERSIST', records .. key)
  redis.call('ZREM', ends, key)
end
return { 1, isWhole() and 1 or 0, evicted, expired }
`);

/** Counts uses. ARGV: key, how many. */
export const touchScript = script(`
local key = ARGV[2]
if redis.call('HEXISTS', sizes, key) == 0 and not adopt(key) then return 0 end
redis.call('ZADD', used, now(), key)
return redis.call('HINCRBY', hits, key, ARGV[3])
`);

/** Forgets a record that is gone. ARGV: key. */
export const goneScript = script(`
if not bytesOf(ARGV[2]) then forget(ARGV[2]) end
return 0
`);

/** Removes records. ARGV: keys. Gives the bytes of each, -1 where there was none. */
export const removeScript = script(`
local removed = {}
for i = 2, #ARGV do table.insert(removed, remove(ARGV[i]) or -1) end
return removed
`);

/**
 * Removes a record if it still is what was read. ARGV: key, how it began, its length (-1 for what is no text).
 * Gives its bytes, or -1 where it is another one, or gone.
 */
export const takeScript = script(`
local key, head, length = ARGV[2], ARGV[3], tonumber(ARGV[4])
local name = records .. key
local isText = redis.call('TYPE', name).ok == 'string'
if isText ~= (length >= 0) then return -1 end
if isText and (redis.call('STRLEN', name) ~= length
  or redis.call('GETRANGE', name, 0, #head - 1) ~= head) then return -1 end
return remove(key) or -1
`);

/**
 * Some keys in their order, without those that are gone. ARGV: from where, to where, how many at most. Gives whether
 * the index is whole, the last key that was looked at (empty after the last of all), and the keys.
 */
export const pageScript = script(`
local there = {}
local keys = redis.call('ZRANGEBYLEX', names, ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
for _, key in ipairs(keys) do
  if bytesOf(key) then table.insert(there, key) else forget(key) end
end
local last = #keys < tonumber(ARGV[4]) and '' or keys[#keys]
return { isWhole() and 1 or 0, last, there }
`);

/** Records and their bytes. */
export const sizeScript = script(`
return { redis.call('ZCARD', names), total() }
`);

/**
 * Begins the index anew, unless it is whole or somebody fills it already: then two do so, which does no harm. When
 * records were used is kept. Gives 1 if it has to be filled.
 */
export const resetScript = script(`
if isWhole() then return 0 end
if redis.call('HEXISTS', sizes, 'filling') == 0 then
  redis.call('UNLINK', names, sizes)
  redis.call('HSET', sizes, 'filling', 1)
end
return 1
`);

/** Enters records in the index. ARGV: keys. */
export const adoptScript = script(`
for i = 2, #ARGV do adopt(ARGV[i]) end
return 0
`);

/** Says that all records are in the index. */
export const wholeScript = script(`
redis.call('ZINTERSTORE', used, 2, used, names, 'WEIGHTS', 1, 0, 'AGGREGATE', 'MAX')
redis.call('HDEL', sizes, 'filling')
redis.call('HINCRBY', sizes, 'total', 0)
redis.call('HSET', sizes, 'whole', 1)
return 0
`);

/** Ends a lease if it is the holder's. KEYS: the lease. ARGV: the holder's token. */
export const releaseScript: Script = (() => {
  const source = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;
  return { source, hash: createHash('sha1').update(source).digest('hex') };
})();

/**
 * Runs a script by its hash, or sends it where the server does not know it yet.
 * @throws ServerFailure, the signal's reason
 */
export async function runScript(
  connection: Connection,
  { source, hash }: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
  options?: SendOptions,
): Promise<unknown> {
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await connection.send(['EVALSHA', hash, ...rest], options);
  } catch (error) {
    if (!(error instanceof ServerFailure && error.message.startsWith('NOSCRIPT'))) throw error;
    return await connection.send(['EVAL', source, ...rest], options);
  }
}
