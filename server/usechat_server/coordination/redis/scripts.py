"""Atomic Redis operations as Lua scripts; each returns `[status, *values]`.

Keys (all begin with `usechat:`; D is the digest of user and chat id, L the id of a log: that of its
run, unless the log was lost and begun anew):

- `chat:D`, a hash: the chat's last run, who owns it and under which epoch
- `leases`, a sorted set: D by the time (ms) when the lease of its owner expires
- `log:L`, a stream: the newest batches of a log; an entry's id is the log's position after it
- `folded:L`, a list: everything before those, in large batches
- `readers:L`, a sorted set: other processes that read the log, by the time when that expires
- `wake:P`, a stream for each process P: an entry makes it check its leases and subscriptions
- `since`: when this Redis was first found empty

Fields of `chat:D`: run, log (its id), state (claimed, active, ended), digest (of the request),
epoch, owner, turn, message, question (the ids of the message that is written, and of the one it
answers), at (the position that the log has reached), closed (the log has its end), owed (the same
request gets this response until its end is acknowledged), delivered (the end was acknowledged),
promises (readers that are expected), stop (the message whose run is to stop, * for any), takes
(takeovers so far, without a store).

Redis runs a script alone, so what it has checked is still true when it writes. Scripts take the
time from Redis: the clocks of processes are not compared.
"""

from __future__ import annotations

__all__ = [
    "ACQUIRE",
    "APPEND",
    "END_LOG",
    "END_RUN",
    "EXPECT_READERS",
    "GET",
    "MARK_ACKNOWLEDGED",
    "RELEASE",
    "RENEW",
    "REQUEST_STOP",
    "REWRITE_LOG",
    "TAKE_OVER",
]

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""

#: `settled(since, milliseconds)`: false for a while after Redis was emptied, until the owners of
#: running runs have written them again. Callers must retry until settled.
_SETTLED = (
    _NOW
    + """
local function settled(since, milliseconds)
  redis.call('SET', since, now, 'NX')
  return now - redis.call('GET', since) >= tonumber(milliseconds)
end
"""
)

#: `lease_error(chat, epoch)`: nil if the lease is held, else missing (Redis was emptied, or the run
#: was forgotten) or fenced (another process has a higher epoch).
_LEASE_ERROR = """
local function lease_error(chat, epoch)
  local current = redis.call('HGET', chat, 'epoch')
  if not current or tonumber(current) < tonumber(epoch) then return 'missing' end
  if tonumber(current) > tonumber(epoch) then return 'fenced' end
end
"""

#: Claims a chat. KEYS chat leases since; ARGV settle D run digest owner lease.
#: → unsettled | busy | claimed epoch
ACQUIRE = (
    _SETTLED
    + """
if not settled(KEYS[3], ARGV[1]) then return {'unsettled'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'state', 'digest', 'epoch', 'owed', 'owner',
  'delivered')
local run, state, epoch = h[1], h[2], tonumber(h[4] or 0)
if run then
  if state == 'claimed' and h[6] == ARGV[5] and run == ARGV[3] then return {'claimed', h[4]} end
  local expiry = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or 0)
  if state == 'active' or (state == 'claimed' and expiry > now) then return {'busy'} end
  local unacknowledged = state == 'ended' and h[5] == '1' and not h[7]
  if unacknowledged and h[3] == ARGV[4] then return {'busy'} end
end
epoch = string.format('%.0f', math.max(epoch + 1, now * 1000))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'run', ARGV[3], 'state', 'claimed', 'digest', ARGV[4], 'epoch', epoch,
  'owner', ARGV[5])
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[2])
return {'claimed', epoch}
"""
)

#: The chat's last run. KEYS chat since; ARGV settle.
#: → unsettled | none | found run digest state closed delivered message question owed, and how
#: many other processes than the owner read the log
GET = (
    _SETTLED
    + """
if not settled(KEYS[2], ARGV[1]) then return {'unsettled'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'digest', 'state', 'closed', 'delivered', 'message',
  'question', 'owed', 'log')
if not h[1] then return {'none'} end
local found = {'found'}
for i = 1, 8 do found[#found + 1] = h[i] or '' end
found[#found + 1] = redis.call('ZCOUNT', 'usechat:readers:' .. (h[9] or h[1]), now, '+inf')
return found
"""
)

#: Replaces a log from its beginning, and renews the lease.
#: KEYS chat leases log folded; ARGV D epoch lease ttl at, n, n times (field value), then batches.
#: The first field is the run.
#: → ok | fenced
REWRITE_LOG = (
    _NOW
    + _LEASE_ERROR
    + """
if lease_error(KEYS[1], ARGV[2]) == 'fenced' then return {'fenced'} end
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[8] then redis.call('DEL', KEYS[1]) end
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[1], 'closed')
local fields = {'epoch', ARGV[2], 'state', 'active', 'at', ARGV[5]}
local first_batch = 7 + 2 * ARGV[6]
for i = 7, first_batch - 1 do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
for i = first_batch, #ARGV do redis.call('RPUSH', KEYS[4], ARGV[i]) end
redis.call('XADD', KEYS[3], ARGV[5], 'p', ARGV[5], 'c', '[]')
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
for i = 1, 4 do if i ~= 2 then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end end
return {'ok'}
"""
)

#: Adds a batch. KEYS chat log folded; ARGV epoch start end batch, then batches that replace all
#: entries of the stream up to and including this one.
#: → ok | missing | fenced
APPEND = (
    _LEASE_ERROR
    + """
local err = lease_error(KEYS[1], ARGV[1])
if err then return {err} end
local at = redis.call('HGET', KEYS[1], 'at')
if at == ARGV[3] then return {'ok'} end
if at ~= ARGV[2] then return {'missing'} end
redis.call('XADD', KEYS[2], ARGV[3], 'p', ARGV[2], 'c', ARGV[4])
redis.call('HSET', KEYS[1], 'at', ARGV[3])
if #ARGV > 4 then
  for i = 5, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
  redis.call('XTRIM', KEYS[2], 'MINID', ARGV[3])
end
return {'ok'}
"""
)

#: Ends a log. KEYS chat log; ARGV epoch start end. → ok | missing | fenced
END_LOG = (
    _LEASE_ERROR
    + """
local err = lease_error(KEYS[1], ARGV[1])
if err then return {err} end
local at = redis.call('HGET', KEYS[1], 'at')
if at == ARGV[3] then return {'ok'} end
if at ~= ARGV[2] then return {'missing'} end
redis.call('XADD', KEYS[2], ARGV[3], 'p', ARGV[2], 'end', '1')
redis.call('HSET', KEYS[1], 'at', ARGV[3], 'closed', '1')
return {'ok'}
"""
)

#: Frees the chat. KEYS chat leases log folded readers; ARGV D epoch owed ttl.
#: → ok | missing | fenced
END_RUN = (
    _LEASE_ERROR
    + """
local err = lease_error(KEYS[1], ARGV[2])
if err then return {err} end
local h = redis.call('HMGET', KEYS[1], 'delivered', 'promises')
redis.call('ZREM', KEYS[2], ARGV[1])
if h[1] and tonumber(h[2] or 0) <= 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'state', 'ended', 'owed', ARGV[3])
end
for i = 1, 5 do if i ~= 2 then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end end
return {'ok'}
"""
)

#: A client has received the end of a run. KEYS chat; ARGV run, 1 if its owner reports that (the end
#: itself may not be here yet). → ok
MARK_ACKNOWLEDGED = """
local h = redis.call('HMGET', KEYS[1], 'run', 'closed', 'state', 'promises')
if h[1] == ARGV[1] and (h[2] or ARGV[2] == '1') then
  redis.call('HSET', KEYS[1], 'delivered', '1')
  if h[3] == 'ended' and tonumber(h[4] or 0) <= 0 then redis.call('DEL', KEYS[1]) end
end
return {'ok'}
"""

#: A client will come to read the chat's run (1), or has come (-1).
#: KEYS chat; ARGV 1 or -1. → none | ok run
EXPECT_READERS = """
local h = redis.call('HMGET', KEYS[1], 'run', 'promises')
if not h[1] then return {'none'} end
redis.call('HSET', KEYS[1], 'promises', math.max(0, tonumber(h[2] or 0) + ARGV[1]))
return {'ok', h[1]}
"""

#: Frees a chat whose turn was refused before it began. KEYS chat leases; ARGV D epoch. → ok
RELEASE = """
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[2] then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {'ok'}
"""

#: Renews leases. KEYS leases since, then for each lease: chat log folded readers;
#: ARGV lease ttl, then for each lease: D epoch.
#: → the chats whose lease has expired (a list), then for each lease: {status, stop, readers}
RENEW = (
    _SETTLED
    + _LEASE_ERROR
    + """
settled(KEYS[2], 0)
local result = {redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)}
for i = 1, (#ARGV - 2) / 2 do
  local chat, log, folded, readers = unpack(KEYS, 4 * i - 1, 4 * i + 2)
  local chat_digest, epoch = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local err = lease_error(chat, epoch)
  local state, stop = unpack(redis.call('HMGET', chat, 'state', 'stop'))
  if err then
    result[#result + 1] = {err, '', 0}
  elseif state == 'ended' then -- since the owner asked
    result[#result + 1] = {'held', '', 0}
  else
    redis.call('ZADD', KEYS[1], now + ARGV[1], chat_digest)
    for _, key in ipairs({chat, log, folded, readers}) do redis.call('PEXPIRE', key, ARGV[2]) end
    redis.call('ZREMRANGEBYSCORE', readers, '-inf', now)
    result[#result + 1] = {'held', stop or '', redis.call('ZCARD', readers)}
  end
end
return result
"""
)

#: Asks the owner of a run to end it. KEYS chat; ARGV run message ttl. → none | requested run
REQUEST_STOP = """
local h = redis.call('HMGET', KEYS[1], 'run', 'state', 'owner', 'message', 'question')
if not h[1] or h[2] == 'ended' then return {'none'} end
if ARGV[1] ~= '' and h[1] ~= ARGV[1] then return {'none'} end
local is_other = ARGV[2] ~= '' and h[4] ~= ARGV[2] and h[5] ~= ARGV[2]
if h[2] == 'active' and is_other then return {'none'} end
redis.call('HSET', KEYS[1], 'stop', ARGV[2] == '' and '*' or ARGV[2])
local wake = 'usechat:wake:' .. h[3]
redis.call('XADD', wake, 'MAXLEN', '~', 100, '*', 'd', '')
redis.call('PEXPIRE', wake, ARGV[3])
return {'requested', h[1]}
"""

#: Takes over an expired lease. KEYS chat leases; ARGV D owner lease.
#: → none | taken run epoch turn digest stop takes log
TAKE_OVER = (
    _NOW
    + """
local expiry = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not expiry or tonumber(expiry) > now then return {'none'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'state', 'turn', 'digest', 'stop', 'takes',
  'log')
if h[3] ~= 'active' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  if h[3] == 'claimed' then redis.call('DEL', KEYS[1]) end
  return {'none'}
end
local epoch = string.format('%.0f', h[2] + 1)
redis.call('HSET', KEYS[1], 'epoch', epoch, 'owner', ARGV[2], 'takes', (h[7] or 0) + 1)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return {'taken', h[1], epoch, h[4], h[5], h[6] or '', h[7] or 0, h[8] or ''}
"""
)
