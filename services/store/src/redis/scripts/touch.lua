-- 2- session and when it was seen, in turns.
for i = 2, #ARGV, 2 do
  local id, at = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('HEXISTS', P .. 'sessions', id) == 1 and tonumber(redis.call('HGET', P .. 'seen', id) or '-1') < at then
    redis.call('HSET', P .. 'seen', id, ARGV[i + 1])
  end
end
return { 'ok' }
