-- Reading the date and time strings of `data`, and saying when something happened.

local instants = {}

instants.HOUR = 60 * 60 * 1000000 -- instants count microseconds

-- The instant of an RFC 3339 string; nil for anything else.
function instants.read(text)
  if type(text) ~= "string" then return nil end
  local ok, instant = pcall(time.parse, text)
  return ok and instant or nil
end

-- Whether clocks can hang there: an offset from UTC in minutes, or the name of a zone.
function instants.is_place(place)
  if type(place) ~= "string" then return time.valid_offset(place) end
  return (pcall(time.date, 0, place))
end

-- The instant at which a clock at that place (an offset or a zone) shows the local datetime; nil if it is not one.
function instants.of_local(text, place, disambiguate)
  if type(text) ~= "string" or not instants.is_place(place) then return nil end
  local ok, instant = pcall(time.to_utc, text, place, disambiguate)
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
