-- Reading the date and time strings of `data`, and saying when something happened.

local instants = {}

instants.HOUR = 60 * 60 * 1000000 -- instants count microseconds

-- The instant of an RFC 3339 string; nil for anything else.
function instants.read(text)
  if type(text) ~= "string" then return nil end
  local ok, instant = pcall(time.parse, text)
  return ok and instant or nil
end

-- The instant at which a clock `offset_minutes` east of UTC shows the local datetime; nil if it is not one.
function instants.of_local(text, offset_minutes)
  if type(text) ~= "string" or not time.valid_offset(offset_minutes) then return nil end
  local ok, instant = pcall(time.to_utc, text, offset_minutes)
  return ok and instant or nil
end

-- The instant at which a date begins in UTC; nil if it is not one.
function instants.of_date(text)
  return type(text) == "string" and instants.read(text .. "T00:00:00Z") or nil
end

-- An effect that writes the time of the transition into a field.
function instants.stamp(field)
  return function(_, ctx) return { set = { [field] = time.format(ctx.now) } } end
end

-- An effect that takes fields away.
function instants.forget(...)
  local fields = { ... }
  return function() return { unset = fields } end
end

return instants
