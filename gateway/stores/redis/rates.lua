-- Rates of many processes: the rule of auth/rate_limits.py, on one list of accepted times for each rate.
-- KEYS: the lists. ARGV: the time in microseconds ("" for that of Redis), then for each list the most that a
-- window may hold and the window in microseconds. Answers for each list: how many it holds now, how long until
-- it has room (0: it has), how long until its oldest leaves. Counts one more in every list, or in none.
-- Times are below 2^53 (the year 2255), so that Lua's numbers are exact.

local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000000 + time[2]
end

local function written(number)
    return string.format('%.0f', number)
end

local admitted = true
local answer = {}

for i, key in ipairs(KEYS) do
    local count_max, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local newest = tonumber(redis.call('LINDEX', key, -1) or now)
    if newest > now then
        -- The clock was set back, or another machine's is now asked: what it calls future was accepted by now.
        local times = redis.call('LRANGE', key, 0, -1)
        redis.call('DEL', key)
        for _, moment in ipairs(times) do
            redis.call('RPUSH', key, written(math.min(tonumber(moment), now)))
        end
        redis.call('PEXPIRE', key, written(math.ceil(window / 1000) + 1))
    elseif newest + window <= now then
        redis.call('DEL', key)
    end
    local oldest = redis.call('LINDEX', key, 0)
    while oldest and tonumber(oldest) + window <= now do
        redis.call('LPOP', key)
        oldest = redis.call('LINDEX', key, 0)
    end
    local held, wait = redis.call('LLEN', key), 0
    if held >= count_max then
        wait = tonumber(redis.call('LINDEX', key, held - count_max)) + window - now
        admitted = false
    end
    answer[i] = {held, wait, oldest and tonumber(oldest) + window - now or 0}
end

if admitted then
    for i, key in ipairs(KEYS) do
        local window = tonumber(ARGV[2 * i + 1])
        redis.call('RPUSH', key, written(now))
        redis.call('PEXPIRE', key, written(math.ceil(window / 1000) + 1))
        local held = answer[i][1] + 1
        local reset = held > 1 and answer[i][3] or window
        answer[i] = {held, held >= tonumber(ARGV[2 * i]) and reset or 0, reset}
    end
end

return {admitted and 1 or 0, answer}
