-- What a small request makes the server hold grows with its size, and not with the square of its members.
local http   = require "tests.support.http"
local json   = require "tests.support.json"
local server = require "tests.support.server"
local socket = require "socket"

local POLICY = [[
return {
  pii { hash = { "code" } },
  roles { clerk = { "record.read" } },
  machine "wide" { initial = "A", strict = true, fields = { a = "string" }, states = { A = {} } },
  machine "loose" {
    initial = "A",
    validate = function(data) local errors = {} for name in pairs(data.wrong or {}) do errors[name] = "wrong" end return errors end,
    states = {
      A = { to = { B = { effect = function(data) return { set = data.many or {} } end },
                   C = { effect = function(data) local names = {} for name in pairs(data) do names[#names + 1] = name end return { unset = names } end },
                   D = true } },
      B = {}, C = {}, D = {},
    },
  },
  access "record" { actions = { read = "record.read", endless = function() while true do end end } },
}
]]

local COUNT = 30000
local MOST_KIB = 400 * 1024 -- it was gigabytes

local function members(count)
  local parts = {}
  for i = 1, count do parts[i] = ('"k%06d":1'):format(i) end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function count_of(object)
  local count = 0
  for _ in pairs(object) do count = count + 1 end
  return count
end

describe("a request of many members", function()
  local statute
  local many = members(COUNT)

  setup(function()
    statute = server.start { policies = { ["wide.lua"] = POLICY },
                             arguments = { "--policy-time", "20s", "--policy-instructions", "40000000", "--policy-memory", "256MiB" } }
  end)
  teardown(function() statute:stop() end)

  local function post(path, body) return statute.client:request("POST", path, body) end

  -- The most that it ever held.
  local function peak_kib()
    for line in io.lines(("/proc/%d/status"):format(statute.pid)) do
      local kib = line:match "^VmHWM:%s+(%d+)"
      if kib then return tonumber(kib) end
    end
  end

  local function expect_cheap(answer, status)
    assert.equal(status, answer.status, answer.error or answer.body:sub(1, 300))
    assert.is_true(peak_kib() < MOST_KIB * server.patience, peak_kib())
    return answer.json
  end

  it("may ask for access with as many properties", function()
    local question = '{"subject":{"type":"user","id":"ann","properties":%s},"action":{"name":"read"},"resource":{"type":"record","id":"1"}}'
    expect_cheap(post("/access/v1/evaluation", question:format(many)), 200)
  end)

  it("may be about one large entity, many times", function()
    http.expect(post("/v1/entities/loose", ('{"id":"large","data":%s}'):format(many)), 201)
    local asked = { subject = { type = "user", id = "ann" }, action = { name = "D" }, resource = { type = "loose", id = "large" }, evaluations = {} }
    for i = 1, 200 do asked.evaluations[i] = { context = { number = i } } end
    local answer = expect_cheap(post("/access/v1/evaluations", json.encode(asked)), 200)
    assert.equal(200, #answer.evaluations)
  end)

  it("may not ask for minutes of work", function()
    local asked = { subject = { type = "user", id = "ann" }, action = { name = "endless" }, resource = { type = "record", id = "1" }, evaluations = {} }
    for i = 1, 1000 do asked.evaluations[i] = { context = { number = i } } end
    local started = socket.gettime()
    local evaluations = expect_cheap(post("/access/v1/evaluations", json.encode(asked)), 200).evaluations
    assert.is_true(socket.gettime() - started < 10 * server.patience)
    assert.equal(1000, #evaluations)
    assert.same({ "policy_error", "overloaded" }, { evaluations[1].context.error.code, evaluations[1000].context.error.code })
    for _, evaluation in ipairs(evaluations) do assert.is_false(evaluation.decision) end
  end)

  it("may have many fields that are none", function()
    assert.equal(100, count_of(expect_cheap(post("/v1/entities/wide", ('{"data":%s}'):format(many)), 422).errors))
  end)

  it("may be wrong in every field", function()
    assert.equal(COUNT, count_of(expect_cheap(post("/v1/entities/loose", ('{"data":{"wrong":%s}}'):format(many)), 422).errors))
  end)

  it("may set and unset many fields", function()
    http.expect(post("/v1/entities/loose", ('{"id":"set","data":{"many":%s}}'):format(many)), 201)
    assert.equal(COUNT + 1, count_of(expect_cheap(post("/v1/entities/loose/set/transitions", '{"to":"B"}'), 200).data))
    http.expect(post("/v1/entities/loose", ('{"id":"unset","data":%s}'):format(many)), 201)
    assert.equal(0, count_of(expect_cheap(post("/v1/entities/loose/unset/transitions", '{"to":"C"}'), 200).data))
  end)

  it("may ask for many hashes", function()
    local codes = ("7,"):rep(100000) .. "7"
    assert.equal(1000, count_of(expect_cheap(post("/v1/sanitize", ('{"metadata":{"code":[%s]}}'):format(codes)), 200).hashes))
  end)
end)
