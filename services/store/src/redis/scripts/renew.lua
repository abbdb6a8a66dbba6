-- 2 build, 3 fence, 4 lease in ms. ok or lost.
if not holds(ARGV[2], ARGV[3]) then return { 'lost' } end
redis.call('ZADD', P .. 'running', int(now() + tonumber(ARGV[4])), ARGV[2])
return { 'ok' }
