-- Small questions that every machine asks. Guards answer `ok, message`; only `true` allows.

local checks = {}

-- Whether a value says something: not nil, not a blank string, not an empty list or object.
function checks.present(value)
  if type(value) == "string" then return value:find("%S") ~= nil end
  if type(value) == "table" then return next(value) ~= nil end
  return value ~= nil
end

-- A guard: the request must come with comments.
function checks.comments(_, ctx)
  return checks.present(ctx.comments), "Comments required when transitioning to " .. tostring(ctx.to)
end

-- A guard: somebody, or some group, must be responsible. `deed` is what cannot be done without.
function checks.assignee(deed)
  return function(data)
    return checks.present(data.assigned_to) or checks.present(data.assigned_group),
      "Cannot " .. deed .. " without an assignee"
  end
end

-- A guard for `update`: nothing is changed any more. `what` is what is closed.
function checks.closed(what)
  return function() return false, what .. " is closed: its data are not changed any more" end
end

-- A part of a field's `permit`: as long as nobody is assigned, whoever takes it may say who does it.
function checks.unassigned(_, data)
  return not (checks.present(data.assigned_to) or checks.present(data.assigned_group)),
    "Somebody is assigned already"
end

return checks
