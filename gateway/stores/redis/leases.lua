-- A lease: KEYS lease, fence; ARGV verb, holder, ttl in ms.
-- The fence follows the clock, so that it grows over a Redis that lost everything too.

local held = redis.call('GET', KEYS[1])
if ARGV[1] == 'release' then
  if held == ARGV[2] then
    redis.call('DEL', KEYS[1])
  end
  return 0
end

local last = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
if last ~= math.floor(last) or last < 0 or last >= 2 ^ 52 then
  last = 0
end
if held == ARGV[2] and last > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return last
end
if held and held ~= ARGV[2] then
  return 0
end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now <= last then
  now = last + 1
end
redis.call('SET', KEYS[2], string.format('%.0f', now))
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return now
