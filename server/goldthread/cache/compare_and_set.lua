-- Writes each entry unless the stored one is newer, or as old and negative (version 0).
-- KEYS[i] is a card's key, ARGV[2i-1] its value (8 bytes of version, big-endian, then the answer), ARGV[2i] its time to live in
-- milliseconds. Returns how many were written. Versions are compared as two 32-bit halves: Lua's numbers hold 53 bits, and its string
-- order follows the server's locale.
local written = 0
for i, key in ipairs(KEYS) do
  local value = ARGV[2 * i - 1]
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
    redis.call('SET', key, value, 'PX', ARGV[2 * i])
    written = written + 1
  end
end
return written
