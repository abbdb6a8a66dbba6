-- 2 build, 3 fence. ok or lost.
local before = answered()
if before then return before end
local id = ARGV[2]
if not holds(id, ARGV[3]) then return { 'lost' } end
redis.call('HINCRBY', build_key(id), 'attempt', -1)
redis.call('HSET', build_key(id), 'status', 'queued')
redis.call('ZREM', P .. 'running', id)
-- Its old place: it has waited longest.
redis.call('ZADD', P .. 'queue', redis.call('HGET', build_key(id), 'seq'), id)
wake('q')
return answer({ 'ok' })
