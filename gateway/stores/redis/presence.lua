-- Who is at one place. KEYS: until (connection by the time at which it runs out, in ms), members (connection to
-- member), facts (connection to facts), counts (member to its connections). ARGV: verb, then what it needs.

local until_, members, facts, counts = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function is(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

if not (is(until_, 'zset') and is(members, 'hash') and is(facts, 'hash') and is(counts, 'hash')) then
  redis.call('DEL', until_, members, facts, counts)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function leave(connection)
  local member = redis.call('HGET', members, connection)
  redis.call('ZREM', until_, connection)
  redis.call('HDEL', members, connection)
  redis.call('HDEL', facts, connection)
  if member and redis.call('HINCRBY', counts, member, -1) <= 0 then
    redis.call('HDEL', counts, member)
  end
end

-- A process that is gone may have left very many: some are forgotten now, the others at the next call.
for _, connection in ipairs(redis.call('ZRANGE', until_, '-inf', now, 'BYSCORE', 'LIMIT', 0, 2000)) do
  leave(connection)
end

local function live_on(ttl)
  for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, ttl)
  end
end

-- enter: ttl in ms, connections at most, members at most (-1: any); then connection, member and facts of each.
-- Answers 1 or 0 for each.
if ARGV[1] == 'enter' then
  local ttl, connections_max, count_max = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
  local answer = {}
  for i = 5, #ARGV, 3 do
    local connection, member, told = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local known = redis.call('ZSCORE', until_, connection)
    local full = not known and redis.call('ZCARD', until_) >= connections_max
    local crowded = count_max >= 0 and redis.call('HEXISTS', counts, member) == 0
      and redis.call('HLEN', counts) >= count_max
    if full or crowded then
      answer[#answer + 1] = 0
    else
      leave(connection)
      redis.call('ZADD', until_, now + ttl, connection)
      redis.call('HSET', members, connection, member)
      redis.call('HINCRBY', counts, member, 1)
      if told ~= '' then
        redis.call('HSET', facts, connection, told)
      end
      answer[#answer + 1] = 1
    end
  end
  live_on(ttl)
  return answer
end

-- refresh: ttl in ms; then connections. Answers those that are not here.
if ARGV[1] == 'refresh' then
  local ttl = tonumber(ARGV[2])
  local answer = {}
  for i = 3, #ARGV do
    if redis.call('ZSCORE', until_, ARGV[i]) then
      redis.call('ZADD', until_, now + ttl, ARGV[i])
    else
      answer[#answer + 1] = ARGV[i]
    end
  end
  live_on(ttl)
  return answer
end

-- leave: connections.
if ARGV[1] == 'leave' then
  for i = 2, #ARGV do
    leave(ARGV[i])
  end
  return 0
end

if ARGV[1] == 'count' then
  return redis.call('HLEN', counts)
end

-- members: connections at most. Answers member and facts of each, the last refreshed last.
local answer = {}
for _, connection in ipairs(redis.call('ZRANGE', until_, -ARGV[2], -1)) do
  local member = redis.call('HGET', members, connection)
  if member then
    answer[#answer + 1] = member
    answer[#answer + 1] = redis.call('HGET', facts, connection) or ''
  end
end
return answer
