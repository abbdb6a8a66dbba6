-- 2 image key, 3 new build's id, 4 request, 5 created, 6 and 7 names of the repository, 8- first event. The build: id, then its fields.
local key = P .. 'key:' .. ARGV[2]
local there = redis.call('GET', key)
local status = there and redis.call('HGET', build_key(there), 'status')
if status and status ~= 'failed' then
  return { there, unpack(record(there)) }
end
local id = ARGV[3]
local seq = redis.call('INCR', P .. 'seq')
redis.call('SET', key, id)
redis.call('HSET', build_key(id), 'request', ARGV[4], 'created', ARGV[5], 'attempt', '0', 'status', 'queued', 'seq', seq, 'key', ARGV[2])
redis.call('ZADD', P .. 'queue', seq, id)
redis.call('ZADD', P .. 'recent', seq, id)
redis.call('ZADD', P .. 'repository:' .. ARGV[6], seq, id)
redis.call('ZADD', P .. 'repository:' .. ARGV[7], seq, id)
append(id, math.huge, '', 8)
wake('q')
return { id, unpack(record(id)) }
