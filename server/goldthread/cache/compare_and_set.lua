-- Writes each entry unless the stored one is newer, or as old and negative (version 0); nothing if the cache was emptied meanwhile.
-- KEYS[1] is the generation's key, ARGV[1] the generation read before the answers. KEYS[i+1] is a card's key, ARGV[2i] its value (8 bytes of
-- version, big-endian, then the answer), ARGV[2i+1] its time to live in milliseconds. Returns how many were written, or -1 if the generation
-- is another one. Versions are compared as two 32-bit halves: Lua's numbers hold 53 bits, and its string order follows the server's locale.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return -1
end
local written = 0
for i = 1, #KEYS - 1 do
  local key = KEYS[i + 1]
  local value = ARGV[2 * i]
  local stored = redis.call('GETRANGE', key, 0, 7)
  local write = true
  if #stored == 8 then
    local new_high, new_low = struct.unpack('>I4I4', value)
    local old_high, old_low = struct.unpack('>I4I4', stored)
    if new_high ~= old_high then
      write = new_high > old_high
    elseif new_low ~= old_low then
      write = new_low > old_low
    else
      write = new_high + new_low > 0
    end
  end
  if write then
    redis.call('SET', key, value, 'PX', ARGV[2 * i + 1])
    written = written + 1
  end
end
return written
