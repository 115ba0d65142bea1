"""What must happen at once in Redis, as its scripts. Each returns a list that begins with a word.

Keys (`usechat:` before each, D the digest of user and chat id, R a run's id):

- `chat:D`, a hash: the chat's last run; whose it is, and under which epoch
- `leases`, a sorted set: D by the time (ms) when its owner counts as dead
- `log:R`, a stream: the newest batches of a log; an entry's id is the log's position after it
- `folded:R`, a list: everything before, in large batches
- `readers:R`, a sorted set: processes that read the log elsewhere, by the time when they do not
- `wake:P`, a stream for each process P: what it should look at now
- `since`: when this Redis was found with nothing in it

Redis runs a script alone, so that what one has checked is still true when it writes. They take the
time from Redis: the clocks of the processes are not compared.
"""

from __future__ import annotations

__all__ = [
    "APPEND",
    "CLAIM",
    "CLOSE",
    "DELIVERED",
    "END",
    "FILL",
    "FIND",
    "PROMISE",
    "RELEASE",
    "RENEW",
    "STOP",
    "TAKE",
]

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""

#: A Redis that was emptied knows nothing of the runs there are until their owners have written them
#: again: who asks too early is to ask again.
_SETTLED = (
    _NOW
    + """
local function settled(marker, settle)
  redis.call('SET', marker, now, 'NX')
  return now - redis.call('GET', marker) >= tonumber(settle)
end
"""
)

#: `held(chat, epoch)`: nothing if the lease holds, else why not.
_HELD = """
local function held(chat, epoch)
  local found = redis.call('HGET', chat, 'epoch')
  if not found or tonumber(found) < tonumber(epoch) then return 'missing' end
  if tonumber(found) > tonumber(epoch) then return 'fenced' end
end
"""

#: KEYS chat leases since; ARGV settle D run digest owner lease.
#: → young | busy | claimed epoch
CLAIM = (
    _SETTLED
    + """
if not settled(KEYS[3], ARGV[1]) then return {'young'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'state', 'digest', 'epoch', 'owed', 'owner',
  'delivered')
local run, state, epoch = h[1], h[2], tonumber(h[4] or 0)
if run then
  if state == 'claimed' and h[6] == ARGV[5] and run == ARGV[3] then return {'claimed', h[4]} end
  local expiry = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or 0)
  if state == 'active' or (state == 'claimed' and expiry > now) then return {'busy'} end
  local owed = state == 'ended' and h[5] == '1' and not h[7]
  if owed and h[3] == ARGV[4] then return {'busy'} end
end
epoch = string.format('%.0f', math.max(epoch + 1, now * 1000))
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'run', ARGV[3], 'state', 'claimed', 'digest', ARGV[4], 'epoch', epoch,
  'owner', ARGV[5])
redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[2])
return {'claimed', epoch}
"""
)

#: KEYS chat since; ARGV settle. → young | none | found run digest state closed delivered
FIND = (
    _SETTLED
    + """
if not settled(KEYS[2], ARGV[1]) then return {'young'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'digest', 'state', 'closed', 'delivered')
if not h[1] then return {'none'} end
return {'found', h[1], h[2], h[3], h[4] or '', h[5] or ''}
"""
)

#: Writes a log from its beginning, over whatever is there.
#: KEYS chat leases log folded; ARGV D epoch lease ttl at, n, n times (field value), then pieces.
#: → ok | fenced
FILL = (
    _NOW
    + _HELD
    + """
if held(KEYS[1], ARGV[2]) == 'fenced' then return {'fenced'} end
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('HDEL', KEYS[1], 'closed')
local fields = {'epoch', ARGV[2], 'state', 'active', 'at', ARGV[5]}
local pieces = 7 + 2 * ARGV[6]
for i = 7, pieces - 1 do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
for i = pieces, #ARGV do redis.call('RPUSH', KEYS[4], ARGV[i]) end
redis.call('XADD', KEYS[3], ARGV[5], 'p', ARGV[5], 'c', '[]')
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
for i = 1, 4 do if i ~= 2 then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end end
return {'ok'}
"""
)

#: KEYS chat log folded; ARGV epoch before at batch, then pieces that stand for all there is.
#: → ok | missing | fenced
APPEND = (
    _HELD
    + """
local lost = held(KEYS[1], ARGV[1])
if lost then return {lost} end
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

#: The log has its end. KEYS chat log; ARGV epoch before at. → ok | missing | fenced
CLOSE = (
    _HELD
    + """
local lost = held(KEYS[1], ARGV[1])
if lost then return {lost} end
local at = redis.call('HGET', KEYS[1], 'at')
if at == ARGV[3] then return {'ok'} end
if at ~= ARGV[2] then return {'missing'} end
redis.call('XADD', KEYS[2], ARGV[3], 'p', ARGV[2], 'end', '1')
redis.call('HSET', KEYS[1], 'at', ARGV[3], 'closed', '1')
return {'ok'}
"""
)

#: The chat is free. KEYS chat leases log folded readers; ARGV D epoch owed ttl.
#: → ok | missing | fenced
END = (
    _HELD
    + """
local lost = held(KEYS[1], ARGV[2])
if lost then return {lost} end
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

#: Somebody got the end of a run. KEYS chat; ARGV run, 1 if its owner says so (its end may still be
#: on its way here). → ok
DELIVERED = """
local h = redis.call('HMGET', KEYS[1], 'run', 'closed', 'state', 'promises')
if h[1] == ARGV[1] and (h[2] or ARGV[2] == '1') then
  redis.call('HSET', KEYS[1], 'delivered', '1')
  if h[3] == 'ended' and tonumber(h[4] or 0) <= 0 then redis.call('DEL', KEYS[1]) end
end
return {'ok'}
"""

#: A page will come to read the chat's run (1), or came (-1).
#: KEYS chat; ARGV 1 or -1. → none | ok run
PROMISE = """
local h = redis.call('HMGET', KEYS[1], 'run', 'promises')
if not h[1] then return {'none'} end
redis.call('HSET', KEYS[1], 'promises', math.max(0, tonumber(h[2] or 0) + ARGV[1]))
return {'ok', h[1]}
"""

#: The turn was refused before it began. KEYS chat leases; ARGV D epoch. → ok
RELEASE = """
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[2] then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {'ok'}
"""

#: KEYS leases since, then for each lease: chat log folded readers;
#: ARGV lease ttl, then for each lease: D epoch.
#: → the chats whose owner is dead (a list), then for each lease: {word, stop, readers}
RENEW = (
    _SETTLED
    + _HELD
    + """
settled(KEYS[2], 0)
local result = {redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)}
for i = 1, (#ARGV - 2) / 2 do
  local chat, log, folded, readers = unpack(KEYS, 4 * i - 1, 4 * i + 2)
  local d, epoch = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local lost = held(chat, epoch)
  local state, stop = unpack(redis.call('HMGET', chat, 'state', 'stop'))
  if lost then
    result[#result + 1] = {lost, '', 0}
  elseif state == 'ended' then -- while this was on its way
    result[#result + 1] = {'held', '', 0}
  else
    redis.call('ZADD', KEYS[1], now + ARGV[1], d)
    for _, key in ipairs({chat, log, folded, readers}) do redis.call('PEXPIRE', key, ARGV[2]) end
    redis.call('ZREMRANGEBYSCORE', readers, '-inf', now)
    result[#result + 1] = {'held', stop or '', redis.call('ZCARD', readers)}
  end
end
return result
"""
)

#: KEYS chat; ARGV run message ttl. → none | asked run
STOP = """
local h = redis.call('HMGET', KEYS[1], 'run', 'state', 'owner', 'message', 'question')
if not h[1] or h[2] == 'ended' then return {'none'} end
if ARGV[1] ~= '' and h[1] ~= ARGV[1] then return {'none'} end
local other = ARGV[2] ~= '' and h[4] ~= ARGV[2] and h[5] ~= ARGV[2]
if h[2] == 'active' and other then return {'none'} end
redis.call('HSET', KEYS[1], 'stop', ARGV[2] == '' and '*' or ARGV[2])
local wake = 'usechat:wake:' .. h[3]
redis.call('XADD', wake, 'MAXLEN', '~', 100, '*', 'd', '')
redis.call('PEXPIRE', wake, ARGV[3])
return {'asked', h[1]}
"""

#: Takes a dead owner's lease. KEYS chat leases; ARGV D owner lease.
#: → none | taken run epoch turn digest stop takes
TAKE = (
    _NOW
    + """
local expiry = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not expiry or tonumber(expiry) > now then return {'none'} end
local h = redis.call('HMGET', KEYS[1], 'run', 'epoch', 'state', 'turn', 'digest', 'stop', 'takes')
if h[3] ~= 'active' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  if h[3] == 'claimed' then redis.call('DEL', KEYS[1]) end
  return {'none'}
end
local epoch = string.format('%.0f', h[2] + 1)
redis.call('HSET', KEYS[1], 'epoch', epoch, 'owner', ARGV[2], 'takes', (h[7] or 0) + 1)
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return {'taken', h[1], epoch, h[4], h[5], h[6] or '', h[7] or 0}
"""
)
