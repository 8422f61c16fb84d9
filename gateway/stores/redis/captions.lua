-- Finals of one topic: a hash with its position and a list with its newest finals, of which the last has the
-- position's offset. KEYS: topics of the channel, position, finals. ARGV: verb, then what it needs.
-- Offsets are below 2^53, so that Lua's numbers are exact.

local topics, position, finals = KEYS[1], KEYS[2], KEYS[3]

local function of(key, kind)
  local is = redis.call('TYPE', key).ok
  return is == kind or is == 'none'
end

local sound = of(position, 'hash') and of(finals, 'list')

local function whole(text)
  local number = tonumber(text)
  return number and number == math.floor(number) and number >= 0 and number < 2 ^ 53 and number or nil
end

-- load: offset to begin with, finals at most, bytes at most.
-- Answers epoch, offset, ancestors, offset of the first final given, finals; or nothing.
if ARGV[1] == 'load' then
  if not sound then
    return false
  end
  local had = redis.call('HMGET', position, 'epoch', 'offset', 'ancestors')
  local offset = whole(had[2])
  if not had[1] or not offset or not had[3] then
    return false
  end
  local oldest = offset - redis.call('LLEN', finals) + 1
  local first = math.max(tonumber(ARGV[2]), oldest)
  local answer = {had[1], had[2], had[3], string.format('%.0f', first)}
  local bytes = 0
  local index = first - oldest
  for _, final in ipairs(redis.call('LRANGE', finals, index, index + ARGV[3] - 1)) do
    bytes = bytes + #final
    if #answer > 4 and bytes > tonumber(ARGV[4]) then
      break
    end
    answer[#answer + 1] = final
  end
  return answer
end

-- write: field of the topic, topics at most, epoch, after, 1 for anew, epoch and offset of the newest ancestor,
-- ancestors, time to live in ms, finals at most, bytes at most; then finals. Answers the outcome.
local field, topics_max, epoch, after = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local anew, parent, parent_offset = ARGV[6] == '1', ARGV[7], tonumber(ARGV[8])
local ancestors, ttl, entries_max, bytes_max = ARGV[9], ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
local first = 13
local offset, bytes = after, 0

if anew then
  redis.call('DEL', position, finals)
  redis.call('HSET', position, 'epoch', epoch, 'ancestors', ancestors)
else
  if not sound then
    return 'missing'
  end
  local had = redis.call('HMGET', position, 'epoch', 'offset', 'bytes')
  offset, bytes = whole(had[2]), whole(had[3])
  if not had[1] or not offset or not bytes then
    return 'missing'
  end
  if had[1] ~= epoch then
    if had[1] ~= parent or offset ~= parent_offset or offset ~= after then
      return 'taken'
    end
    redis.call('HSET', position, 'epoch', epoch, 'ancestors', ancestors)
  elseif offset < after or offset > after + #ARGV - first + 1 then
    return 'missing'
  end
  first = first + offset - after
end

for i = first, #ARGV do
  redis.call('RPUSH', finals, ARGV[i])
  offset, bytes = offset + 1, bytes + #ARGV[i]
end
local count = redis.call('LLEN', finals)
while count > 0 and (count > entries_max or bytes > bytes_max) do
  bytes, count = bytes - #redis.call('LPOP', finals), count - 1
end
redis.call('HSET', position, 'offset', string.format('%.0f', offset), 'bytes', bytes)
redis.call('PEXPIRE', position, ttl)
redis.call('PEXPIRE', finals, ttl)
if not of(topics, 'hash') then
  redis.call('DEL', topics)
end
if redis.call('HLEN', topics) < topics_max then
  redis.call('HSET', topics, field, '')
end
redis.call('PEXPIRE', topics, ttl)
return 'kept'
