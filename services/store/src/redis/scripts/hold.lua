-- 2 name, 3 fence, 4 ttl in ms or 0 to give it up, 5 ms an expired lease can still be renewed. ok or lost.
local key = P .. 'lease:' .. ARGV[2]
if redis.call('HGET', key, 'fence') ~= ARGV[3] then return { 'lost' } end
if ARGV[4] == '0' then
  redis.call('DEL', key)
else
  redis.call('HSET', key, 'until', int(now() + tonumber(ARGV[4])))
  redis.call('PEXPIRE', key, int(tonumber(ARGV[4]) + tonumber(ARGV[5])))
end
return { 'ok' }
