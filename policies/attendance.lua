-- Punching in and out. Apps send the naive local time of the client's clock, and where it hangs: the clock's
-- offset from UTC (`ctzoffset`), or its zone (`zone`); what is stored is UTC. A time that already says its offset is
-- not shifted again. In a zone, shifts over a night when the clocks change are as long as they were.
local instants = require "lib.instants"

local TOLERANCE     = "5m" -- clocks of clients run ahead
local LONGEST_HOURS = 24
local DAY           = 24 * instants.HOUR

-- Where the record's clock hangs: its zone, or else its offset. Nil if that is none, or there are both.
local function place_of(record)
  if record.zone ~= nil and record.ctzoffset ~= nil then return nil end
  local place = record.zone
  if place == nil then place = record.ctzoffset end
  return instants.is_place(place) and place or nil
end

-- In the night when clocks go back, 02:30 comes twice: the first that is after the punch in is meant.
local function local_punch_out(text, place, punched_in)
  local instant = instants.of_local(text, place)
  if instant and punched_in and instant <= punched_in then
    local second = instants.of_local(text, place, "later")
    if second > punched_in then return second end
  end
  return instant
end

-- Local times become UTC; what cannot be read is left for `validate` to name.
local function prepare(record)
  local place = place_of(record)
  local punched_in = instants.read(record.punch_in) or instants.of_local(record.punch_in, place)
  local punched_out = instants.read(record.punch_out) or local_punch_out(record.punch_out, place, punched_in)
  if punched_in then record.punch_in = time.format(punched_in) end
  if punched_out then record.punch_out = time.format(punched_out) end
  if punched_in and record.datefor == nil and place then record.datefor = time.date(punched_in, place) end
  return record
end

-- What is wrong with one punch, or nil. Without a place a local time can be read, but not be told from the future:
-- `ctzoffset` or `zone` is then the field with the error.
local function punch_error(value, place)
  if value == nil then return nil end
  local instant = instants.read(value)
  if instant then
    return not time.not_future(instant, TOLERANCE) and "must not be in the future" or nil
  end
  if place or not instants.of_local(value, 0) then
    return "must be a local date and time such as 2025-10-01T09:00:00"
  end
end

local function offset_error(record)
  if record.ctzoffset == nil and record.zone == nil then return "is required, unless there is a zone" end
end

-- The engine knows the names, and which one was probably meant.
local function zone_error(record)
  if type(record.zone) ~= "string" then return nil end
  if record.ctzoffset ~= nil then return "must not be there when ctzoffset is: send one of the two" end
  local ok, why = pcall(time.date, 0, record.zone)
  if not ok then return (why:match("%((.*)%)$") or why) end
end

local function order_error(record)
  local punched_in, punched_out = instants.read(record.punch_in), instants.read(record.punch_out)
  if not punched_in or not punched_out then return nil end
  if punched_out <= punched_in then return "must be after punch_in" end
  if punched_out - punched_in > LONGEST_HOURS * instants.HOUR then
    return ("must be within %d hours of punch_in"):format(LONGEST_HOURS)
  end
end

local function day_error(record)
  local punched_in, day, place = instants.read(record.punch_in), instants.of_date(record.datefor), place_of(record)
  if not punched_in or not day or not place then return nil end
  local local_day = instants.of_date(time.date(punched_in, place))
  if math.abs(day - local_day) > DAY then return "must be within one day of the local date of punch_in" end
end

local function validate(record)
  local place = place_of(record)
  return {
    ctzoffset = offset_error(record),
    zone      = zone_error(record),
    punch_in  = punch_error(record.punch_in, place),
    punch_out = punch_error(record.punch_out, place) or order_error(record),
    datefor   = day_error(record),
  }
end

local function has_punch_out(record)
  return record.punch_out ~= nil, "Cannot punch out without a punch_out time"
end

return machine "attendance" {
  doc     = "One attendance of one person: punched in, then out.",
  initial = "PUNCHED_IN",

  fields = {
    people_id = { type = "any", immutable = true, doc = "who" },
    ctzoffset = { type = "integer", min = -720, max = 840,
                  doc = "minutes east of UTC of the clock that shows the local times; required without a zone" },
    zone      = { type = "string", doc = "where that clock hangs, in place of ctzoffset, such as Europe/Berlin" },
    punch_in  = { type = "any", required = true, doc = "local datetime, stored as UTC" },
    punch_out = { type = "any", doc = "local datetime, stored as UTC" },
    datefor   = { type = "date", doc = "the working day; the local date of punch_in if absent" },
  },

  prepare  = prepare,
  validate = validate,

  states = {
    PUNCHED_IN  = { doc = "At work.", to = { PUNCHED_OUT = { name = "punch_out" } } },
    PUNCHED_OUT = { doc = "Gone home.", final = true, require = has_punch_out },
  },
}
