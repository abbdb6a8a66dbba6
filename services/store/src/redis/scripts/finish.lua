-- 2 build, 3 fence, 4 status, 5 outcome, 6 ms to keep it or 0, 7 whether only if the lease has expired, 8- last event. ok or lost.
local before = answered()
if before then return before end
local id = ARGV[2]
if not holds(id, ARGV[3]) then return { 'lost' } end
if ARGV[7] == '1' and tonumber(redis.call('ZSCORE', P .. 'running', id) or '0') > now() then return { 'lost' } end
redis.call('HSET', build_key(id), 'status', ARGV[4], 'outcome', ARGV[5])
redis.call('ZREM', P .. 'running', id)
append(id, math.huge, '', 8)
if ARGV[6] ~= '0' then
  redis.call('PEXPIRE', build_key(id), ARGV[6])
  expire_log(id, ARGV[6])
  local key = P .. 'key:' .. redis.call('HGET', build_key(id), 'key')
  if redis.call('GET', key) == id then redis.call('PEXPIRE', key, ARGV[6]) end
end
return answer({ 'ok' })
