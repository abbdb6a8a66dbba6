-- 2 topic, 3 fence or '', 4 most bytes, 5 ms to keep the log or 0, 6 notice, 7- events. ok and the last id, or lost.
local before = answered()
if before then return before end
local topic = ARGV[2]
if ARGV[3] ~= '' and not holds(topic, ARGV[3]) then return { 'lost' } end
local last = append(topic, tonumber(ARGV[4]), ARGV[6], 7)
if not last then return { 'lost' } end
if ARGV[5] ~= '0' then expire_log(topic, ARGV[5]) end
return answer({ 'ok', int(last) })
