-- 2 build, 3 outcome, 4 ms to keep it, 5- last event. ok, or over when it neither waits nor runs.
local before = answered()
if before then return before end
local id = ARGV[2]
local status = redis.call('HGET', build_key(id), 'status')
if status ~= 'queued' and status ~= 'running' then return { 'over' } end
-- Taken from its holder, if there is one.
redis.call('HSET', build_key(id), 'fence', next_fence(now()))
finish(id, 'failed', ARGV[3], ARGV[4], 5)
return answer({ 'ok' })
