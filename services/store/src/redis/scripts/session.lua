-- 2 what to do: put, swap or remove; 3 session; 4 its record; 5 for swap, the record it must replace. ok or changed.
local sessions, seen, id = P .. 'sessions', P .. 'seen', ARGV[3]
if ARGV[2] == 'swap' then
  if redis.call('HGET', sessions, id) ~= ARGV[5] then return { 'changed' } end
  redis.call('HSET', sessions, id, ARGV[4])
else
  redis.call('HDEL', seen, id)
  if ARGV[2] == 'put' then
    redis.call('HSET', sessions, id, ARGV[4])
  elseif redis.call('HDEL', sessions, id) == 0 then
    return { 'ok' }
  end
end
wake('s ' .. id)
return { 'ok' }
