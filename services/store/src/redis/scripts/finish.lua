-- 2 build, 3 fence, 4 status, 5 outcome, 6 ms to keep it or 0, 7 whether only if the lease has expired, 8- last event. ok or lost.
local before = answered()
if before then return before end
local id = ARGV[2]
if not holds(id, ARGV[3]) then
  -- The holder repeating itself has lost nothing: what it said first stands.
  local build = redis.call('HMGET', build_key(id), 'status', 'fence')
  local over = build[1] == 'built' or build[1] == 'failed'
  return { over and build[2] == ARGV[3] and ARGV[7] == '0' and 'ok' or 'lost' }
end
if ARGV[7] == '1' then
  local time = now()
  if tonumber(redis.call('ZSCORE', P .. 'running', id) or '0') > time then return { 'lost' } end
  -- Taken from its holder.
  redis.call('HSET', build_key(id), 'fence', next_fence(time))
end
finish(id, ARGV[4], ARGV[5], ARGV[6], 8)
return answer({ 'ok' })
