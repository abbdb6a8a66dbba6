-- 2 image key, 3 ms to keep the record and log.
local key = P .. 'key:' .. ARGV[2]
local id = redis.call('GET', key)
if not id then return { 'ok' } end
local status = redis.call('HGET', build_key(id), 'status')
if status ~= 'queued' and status ~= 'running' then
  redis.call('DEL', key)
  redis.call('PEXPIRE', build_key(id), ARGV[3])
  redis.call('PEXPIRE', P .. 'provenance:' .. id, ARGV[3])
  expire_log(id, ARGV[3])
end
return { 'ok' }
