-- For specs: reads a table of transitions, `{ FROM = "TO TO2", ... }`. If states have spaces in their names:
-- `{ ["From here"] = { "To there", ... }, ... }`.

local ways = {}

local function names(declared)
  local list = {}
  if type(declared) == "table" then
    table.move(declared, 1, #declared, 1, list)
  else
    for word in declared:gmatch("%S+") do list[#list + 1] = word end
  end
  table.sort(list)
  return list
end

-- The states that `from` leads to, sorted.
function ways.out_of(declared, from) return names(declared[from]) end

-- Every ordered pair of states, `from == to` too, and whether the table declares that transition.
function ways.pairs(declared)
  local list = {}
  for from in pairs(declared) do
    local reachable = {}
    for _, to in ipairs(names(declared[from])) do reachable[to] = true end
    for to in pairs(declared) do
      list[#list + 1] = { from = from, to = to, declared = reachable[to] == true }
    end
  end
  return list
end

-- A copy of `base` with the entries of `more` put over it; false takes an entry away.
function ways.with(base, more)
  local copy = {}
  for key, value in pairs(base) do copy[key] = value end
  for key, value in pairs(more or {}) do
    if value == false then copy[key] = nil else copy[key] = value end
  end
  return copy
end

return ways
