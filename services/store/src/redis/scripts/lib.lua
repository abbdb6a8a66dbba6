-- What every script begins with. KEYS[1] is a hash tag: all keys of one service live on one shard, so that a script may
-- touch any of them. ARGV[1] names the call: repeated after its answer was lost on the way, it gives that answer again.

local P = KEYS[1] .. ':'
local CALL = P .. 'call:' .. ARGV[1]
local CALL_SECONDS = 60

local function int(number) return string.format('%.0f', number) end

-- The server's clock, in milliseconds: leases never compare the clocks of two machines.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function answered()
  local before = redis.call('GET', CALL)
  return before and cjson.decode(before)
end

local function answer(list)
  redis.call('SET', CALL, cjson.encode(list), 'EX', CALL_SECONDS)
  return list
end

local function wake(what) redis.call('PUBLISH', P .. 'wake', what) end

-- Grows with every lease. Not below the clock, so that it also grows when the server has lost its data.
local function next_fence(time)
  local last = tonumber(redis.call('GET', P .. 'fence') or '0')
  local fence = int(math.max(last + 1, time))
  redis.call('SET', P .. 'fence', fence)
  return fence
end

local function build_key(id) return P .. 'build:' .. id end

local function holds(id, fence)
  local build = redis.call('HMGET', build_key(id), 'status', 'fence')
  return build[1] == 'running' and build[2] == fence
end

local function record(id) return redis.call('HGETALL', build_key(id)) end

-- Appends entries of kind, weight and JSON, from ARGV[from] on. The id of the last event, or nil when the log has ended.
-- L is a line, dropped from a log that is too long; M a step, kept; E the end, kept, and nothing follows it.
local function append(topic, max, notice, from)
  local log, meta = P .. 'log:' .. topic, P .. 'meta:' .. topic
  local state = redis.call('HMGET', meta, 'last', 'bytes', 'ended', 'capped')
  local last, bytes = tonumber(state[1] or '0'), tonumber(state[2] or '0')
  local ended, capped = state[3] == '1', state[4] == '1'
  if ended then return nil end
  local time = int(now())
  local function add(body, weight)
    last = last + 1
    bytes = bytes + weight
    redis.call('XADD', log, int(last) .. '-0', 'at', time, 'body', body)
  end
  for i = from, #ARGV, 3 do
    local kind, weight, body = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
    if kind == 'L' and (capped or bytes + weight > max) then
      if not capped then
        capped = true
        add(notice, 128)
      end
    else
      add(body, weight)
      if kind == 'E' then
        ended = true
        break
      end
    end
  end
  redis.call('HSET', meta, 'last', int(last), 'bytes', int(bytes), 'ended', ended and '1' or '0', 'capped', capped and '1' or '0')
  wake('e ' .. topic)
  return last
end

local function expire_log(topic, millis)
  redis.call('PEXPIRE', P .. 'log:' .. topic, millis)
  redis.call('PEXPIRE', P .. 'meta:' .. topic, millis)
end

-- Ends a build, whoever has it, with the event from ARGV[from] on. `keep` is in ms; 0 is for ever.
local function finish(id, status, outcome, keep, from)
  redis.call('HSET', build_key(id), 'status', status, 'outcome', outcome)
  redis.call('ZREM', P .. 'queue', id)
  redis.call('ZREM', P .. 'running', id)
  append(id, math.huge, '', from)
  if keep ~= '0' then
    redis.call('PEXPIRE', build_key(id), keep)
    expire_log(id, keep)
    local key = P .. 'key:' .. redis.call('HGET', build_key(id), 'key')
    if redis.call('GET', key) == id then redis.call('PEXPIRE', key, keep) end
  end
end
