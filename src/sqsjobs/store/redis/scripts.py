"""What Redis does as one step, in Lua: look, list, commit, sweep.

The keys, all with one hash tag so that a cluster serves them from one shard, are ``{namespace}:`` and

- ``job:<id>``: a hash of a record's fields (see `packing`), its ``version``, and ``key`` where it has a unique key;
- ``key:<digest>``: the id of the unfinished job that has the unique key;
- ``due``: the ids by the date on which something of the record expires, the result or all of it;
- ``all``, ``status:<status>``, ``task:<task>``: the ids by the date of their enqueueing.

Every change is published to the channel ``{namespace}:wake:<id>``.
"""

from __future__ import annotations

import json

from sqsjobs.store.packing import LIGHT_FIELDS, SHARED_FIELDS

__all__ = ["COMMIT", "LIST", "LOOK", "SWEEP"]


def _lua_list(names: object) -> str:
    return json.dumps(names).replace("[", "{").replace("]", "}")


_PRELUDE = (
    f"""
local due, prefix = KEYS[1], string.sub(KEYS[1], 1, -4)
local shared = {_lua_list(("version", *SHARED_FIELDS))}
local light = {_lua_list(LIGHT_FIELDS)}
"""
    """
local function job(id) return prefix .. 'job:' .. id end
local function key(digest) return prefix .. 'key:' .. digest end
local function lists(id)
  local status, task = unpack(redis.call('HMGET', job(id), 'status', 'task'))
  if not status then return {prefix .. 'all'} end
  return {prefix .. 'all', prefix .. 'status:' .. cjson.decode(status), prefix .. 'task:' .. cjson.decode(task)}
end

local function holder(digest)
  local id = redis.call('GET', key(digest))
  if id and redis.call('EXISTS', job(id)) == 1 then return id end
  return false
end

local function release(id)
  local digest = redis.call('HGET', job(id), 'key')
  if digest and redis.call('GET', key(digest)) == id then redis.call('DEL', key(digest)) end
end

local function drop(id)
  release(id)
  for _, list in ipairs(lists(id)) do redis.call('ZREM', list, id) end
  redis.call('DEL', job(id))
  redis.call('ZREM', due, id)
end

-- Of an entry everything that decisions look at, and whether there is an envelope.
local function entry(id)
  return {id, redis.call('HMGET', job(id), unpack(shared)), redis.call('HEXISTS', job(id), 'envelope')}
end

-- Drops what has expired of up to `limit` records; returns how many records went, and how many were looked at.
local function sweep(now, limit)
  local gone, ids = 0, redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local expires = redis.call('HGET', job(id), 'expires_at')
    if expires and tonumber(expires) > tonumber(now) then
      redis.call('HDEL', job(id), 'result')
      redis.call('ZADD', due, expires, id)
    else
      if expires then gone = gone + 1 end
      drop(id)
    end
  end
  return {gone, #ids}
end
"""
)

LOOK = (
    _PRELUDE
    + """
-- ARGV: how many ids, the ids, the digests of keys. Returns the entries, then digests with the ids of their holders.
local count, entries, holders = tonumber(ARGV[1]), {}, {}
for i = 2, count + 1 do entries[#entries + 1] = entry(ARGV[i]) end
for i = count + 2, #ARGV do
  local id = holder(ARGV[i])
  holders[#holders + 1] = {ARGV[i], id}
  if id then entries[#entries + 1] = entry(id) end
end
return {entries, holders}
"""
)
"""Reads entries, and holders of keys with theirs."""

LIST = (
    _PRELUDE
    + """
-- ARGV: list, status or '', task or '', date from which on, how many, records to look at at most, then the place after
-- which to begin, if any: date, id. Returns the records, and the place after which to go on, if there may be more.
local list, status, task, since = prefix .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local most, patience, from, last = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] or '+inf', ARGV[8]
local found, offset, place = {}, 0, {}
while true do
  local page = redis.call('ZREVRANGEBYSCORE', list, from, since, 'WITHSCORES', 'LIMIT', offset, 100)
  for i = 1, #page, 2 do
    local id, date = page[i], page[i + 1]
    if not (last and tonumber(date) == tonumber(from) and id >= last) then
      if #found == most or patience == 0 then return {found, place} end
      patience, place = patience - 1, {date, id}
      local fields = redis.call('HMGET', job(id), 'status', 'task')
      if not fields[1] then
        redis.call('ZREM', list, id)
        offset = offset - 1
      elseif (status == '' or fields[1] == status) and (task == '' or fields[2] == task) then
        found[#found + 1] = {id, redis.call('HMGET', job(id), unpack(light))}
      end
    end
  end
  if #page < 200 then return {found, {}} end
  offset = offset + 100
end
"""
)
"""Lists records, those enqueued last first."""

COMMIT = (
    _PRELUDE
    + """
-- ARGV: now, then for each move: id, version before ('' if absent), version after ('' to delete), 1 if unfinished,
-- 1 to tell of it, date of enqueueing, date of the next expiry, milliseconds to live, number of fields, fields and
-- values, number of fields to drop, these.
local now, moves, at = ARGV[1], {}, 2
local function take() at = at + 1; return ARGV[at - 1] end
local function take_list(width)
  local list = {}
  for _ = 1, width * tonumber(take()) do list[#list + 1] = take() end
  return list
end
while at <= #ARGV do
  local move = {id = take(), before = take(), after = take(), open = take() == '1', loud = take() == '1'}
  move.date, move.due, move.ttl = take(), take(), take()
  move.set, move.drop = take_list(2), take_list(1)
  moves[#moves + 1] = move
end

local deleted, entries, holders = {}, {}, {}
for _, move in ipairs(moves) do if move.after == '' then deleted[move.id] = true end end

-- The unique key that the record will have.
local function key_of(move)
  for i = 1, #move.set, 2 do if move.set[i] == 'key' then return move.set[i + 1] end end
  for _, field in ipairs(move.drop) do if field == 'key' then return false end end
  return redis.call('HGET', job(move.id), 'key')
end

local function write(move)
  release(move.id)
  for _, list in ipairs(lists(move.id)) do redis.call('ZREM', list, move.id) end
  if #move.drop > 0 then redis.call('HDEL', job(move.id), unpack(move.drop)) end
  redis.call('HSET', job(move.id), 'version', move.after, unpack(move.set))
  redis.call('PEXPIRE', job(move.id), move.ttl)
  redis.call('ZADD', due, move.due, move.id)
  for _, list in ipairs(lists(move.id)) do redis.call('ZADD', list, move.date, move.id) end
  if move.key then redis.call('SET', key(move.key), move.id, 'PX', move.ttl) end
end

local refused = false
for _, move in ipairs(moves) do
  if (redis.call('HGET', job(move.id), 'version') or '') ~= move.before then refused = true end
  move.key = move.open and key_of(move)
  local id = move.key and holder(move.key)
  if id and id ~= move.id and not deleted[id] then refused = true end
  if move.key then holders[#holders + 1] = {move.key, id} end
  if id then entries[#entries + 1] = entry(id) end
end
if not refused then
  for _, move in ipairs(moves) do
    if move.after == '' then drop(move.id) else write(move) end
    if move.loud then redis.call('PUBLISH', prefix .. 'wake:' .. move.id, '') end
  end
  sweep(now, 2)
  entries, holders = {}, {}
end
for _, move in ipairs(moves) do
  if refused or move.before == '0' then entries[#entries + 1] = entry(move.id) end
end
return {refused and 0 or 1, entries, holders}
"""
)
"""Carries moves out if every entry is as it was and no key is taken, and says what is there where that is not known."""

SWEEP = (
    _PRELUDE
    + """
-- ARGV: now, limit.
return sweep(ARGV[1], ARGV[2])
"""
)
"""Drops some of what has expired."""
