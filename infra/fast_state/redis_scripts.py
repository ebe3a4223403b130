"""The scripts that Redis runs: each is one step that nobody can come between, and time is the server's.

FETCH hands out tokens ahead. Per bucket it keeps, beside what is left, who takes part: how many tokens each has in
hand, his share of the rate, and when he was last heard. What is left and what is in hand together never come to more
than the burst, so that no span of time can have more than the burst and what the rate brings in it, however late a
fetched token is spent. (So nothing comes in the place of tokens while they are in hand: when we hear that they were
spent, they count as spent just now.) Who is silent may be cut off from us and go on with his share
(`redis_stock.py`), so his share is kept back, and what he had in hand too, until he is back or taken to be dead. A
bucket that is new may be one that Redis has lost: at first it gives no more than the shares of those who came back.

A lease's fence is the server's time, or one above the last: so it grows even where Redis has lost what it knew.
"""

from typing import Final

FETCH: Final = """
local per_s, burst, me = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local share, held, want = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local life_ms, dead_ms = tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left, filled, born, others, away, here = 0, now, now, 0, 0, share
local had = held
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 'left' then left = tonumber(value)
  elseif field == 'filled' then filled = tonumber(value)
  elseif field == 'born' then born = tonumber(value)
  else
    local hand, part, seen = string.match(value, '^(%S+) (%S+) (%S+)$')
    local silent, mine = now - tonumber(seen), field == 'by:' .. me
    if silent > life_ms then away = away + tonumber(part) end
    if silent > dead_ms then redis.call('HDEL', KEYS[1], field)
    elseif mine then had = math.max(held, tonumber(hand))
    else
      others = others + tonumber(hand)
      if silent <= life_ms then here = here + tonumber(part) end
    end
  end
end
local ours, room = math.max(1 - away, 0), burst
if now - born < life_ms then
  ours = math.min(here, 1)
  room = burst * ours
end
local brought = math.max(now - filled, 0) * per_s * ours / 1000
left = math.max(math.min(left + brought, room - others - had), 0)
local granted = math.max(math.min(left, want - held), 0)
redis.call('HSET', KEYS[1], 'left', string.format('%.9g', left - granted), 'filled', math.max(now, filled),
  'born', born, 'by:' .. me, string.format('%.9g %.9g %d', held + granted, share, now))
redis.call('PEXPIRE', KEYS[1], dead_ms * 2)
return string.format('%.9g', granted)
"""
"""KEYS: bucket. ARGV: per_s, burst, name, share, tokens in hand, tokens wanted, ms until silent, ms until dead."""

LEAVE: Final = """
redis.call('HDEL', KEYS[1], 'by:' .. ARGV[1])
return 1
"""
"""KEYS: bucket. ARGV: name. What was in hand is thrown away."""

ACQUIRE: Final = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder then return {0, holder} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now)
redis.call('SET', KEYS[2], string.format('%d', fence))
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'fence', string.format('%d', fence))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {fence, ''}
"""
"""KEYS: lease, last fence. ARGV: holder, span in ms. Gives the fence, or 0 and who holds it."""

_STILL_HELD: Final = """
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return {-1, ''} end
if fence ~= ARGV[1] then return {0, redis.call('HGET', KEYS[1], 'holder')} end
"""

RENEW: Final = f"{_STILL_HELD} redis.call('PEXPIRE', KEYS[1], ARGV[2]) return {{1, ''}}"
"""KEYS: lease. ARGV: fence, span in ms. Gives 1, or 0 and who holds it, or -1 when it has run out."""

RELEASE: Final = f"{_STILL_HELD} redis.call('DEL', KEYS[1]) return {{1, ''}}"
"""KEYS: lease. ARGV: fence."""

WRITE: Final = f"""{_STILL_HELD}
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('PUBLISH', KEYS[2], ARGV[4])
return {{1, ''}}
"""
"""KEYS: lease, place. ARGV: fence, name, value, the value as it is told."""
