-- 2 name, 3 holder, 4 ttl in ms, 5 ms an expired lease can still be renewed. ok and the fence, or held.
local before = answered()
if before then return before end
local key, time = P .. 'lease:' .. ARGV[2], now()
local held = redis.call('HGET', key, 'until')
if held and tonumber(held) > time then return { 'held' } end
local fence = next_fence(time)
redis.call('HSET', key, 'fence', fence, 'holder', ARGV[3], 'until', int(time + tonumber(ARGV[4])))
redis.call('PEXPIRE', key, int(tonumber(ARGV[4]) + tonumber(ARGV[5])))
return answer({ 'ok', fence })
