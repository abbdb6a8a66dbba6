-- 2 worker, 3 lease in ms, 4 most attempts. One of: claimed, lost worker or '', id, fields; poison, id, attempt, worker, fence;
-- none, ms until the next lease expires or ''.
local before = answered()
if before then return before end
local time = now()
local lost = ''
local id = redis.call('ZRANGEBYSCORE', P .. 'running', '-inf', int(time), 'LIMIT', 0, 1)[1]
while id do
  local build = redis.call('HMGET', build_key(id), 'attempt', 'worker', 'fence')
  if build[1] then
    if tonumber(build[1]) >= tonumber(ARGV[4]) then
      return { 'poison', id, build[1], build[2], build[3] }
    end
    lost = build[2]
    break
  end
  -- Its record is gone, with the server's memory perhaps: nothing is left to do.
  redis.call('ZREM', P .. 'running', id)
  id = redis.call('ZRANGEBYSCORE', P .. 'running', '-inf', int(time), 'LIMIT', 0, 1)[1]
end
if not id then
  repeat
    id = redis.call('ZPOPMIN', P .. 'queue')[1]
  until not id or redis.call('EXISTS', build_key(id)) == 1
end
if not id then
  local next = redis.call('ZRANGE', P .. 'running', 0, 0, 'WITHSCORES')[2]
  return { 'none', next and int(math.max(0, tonumber(next) - time)) or '' }
end
redis.call('HINCRBY', build_key(id), 'attempt', 1)
redis.call('HSET', build_key(id), 'status', 'running', 'worker', ARGV[2], 'fence', next_fence(time))
redis.call('ZADD', P .. 'running', int(time + tonumber(ARGV[3])), id)
return answer({ 'claimed', lost, id, unpack(record(id)) })
