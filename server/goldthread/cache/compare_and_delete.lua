-- Removes each card that still has the version given. KEYS[i] is a card's key, ARGV[i] its 8 bytes of version. Returns how many were removed.
local removed = 0
for i, key in ipairs(KEYS) do
  if redis.call('GETRANGE', key, 0, 7) == ARGV[i] then
    removed = removed + redis.call('UNLINK', key)
  end
end
return removed
