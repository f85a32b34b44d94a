-- The certification scenario of the OpenID AuthZEN Authorization API 1.0, by the numbers of its sections, on the policies
-- of examples/authzen; then machines, pages, and what the scenario leaves open.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local BASE = "https://pdp.example.com"

local function fixture()
  local files = {}
  for _, name in ipairs { "record.lua", "directory.lua" } do
    local file <close> = assert(io.open("examples/authzen/policies/" .. name))
    files[name] = file:read "a"
  end
  return files
end

local ALICE  = '"subject":{"type":"user","id":"alice"}'
local BOB    = '"subject":{"type":"user","id":"bob"}'
local READ   = '"action":{"name":"read"}'
local WRITE  = '"action":{"name":"write"}'
local RECORD = '"resource":{"type":"record","id":"record-1"}'
local CONTEXT = '"context":{"time":"2025-06-27T18:03-07:00","ip":"192.168.1.1"}'
local ARCHIVED = '"resource":{"type":"record","id":"record-2","properties":{"status":"archived"}}'
local ADMIN = '"subject":{"type":"user","id":"bob","properties":{"role":"admin"}}'

local function object(...) return "{" .. table.concat({ ... }, ",") .. "}" end

describe("the AuthZEN certification scenario:", function()
  local statute
  setup(function() statute = server.start { policies = fixture(), arguments = { "--public-url", BASE .. "/" } } end)
  teardown(function() statute:stop() end)

  local function post(path, body, headers) return statute.client:post("/access/v1/" .. path, body, headers) end
  local function ask(body) return http.expect(post("evaluation", body), 200).decision end
  local function ask_all(body)
    local decisions = {}
    for i, item in ipairs(http.expect(post("evaluations", body), 200).evaluations) do decisions[i] = item.decision end
    return decisions
  end
  local function find(what, body)
    local answer, names = http.expect(post("search/" .. what, body), 200), {}
    for i, result in ipairs(answer.results) do names[i] = result.id or result.name end
    return names, answer
  end

  for section, case in pairs {
    ["2.2.1 permit"]                       = { true, ALICE, READ, RECORD },
    ["2.2.2 deny"]                         = { false, BOB, WRITE, RECORD },
    ["1.4 rule 2"]                         = { true, ALICE, WRITE, RECORD },
    ["1.4 rule 3"]                         = { true, BOB, READ, RECORD },
    ["2.2.3 context"]                      = { true, ALICE, READ, RECORD, CONTEXT },
    ["2.2.4 deny by resource properties"]  = { false, ALICE, WRITE, ARCHIVED },
    ["2.2.5 permit by subject properties"] = { true, ADMIN, WRITE, ARCHIVED },
    ["2.2.6 permit by action properties"]  = { true, ALICE, '"action":{"name":"delete","properties":{"soft":true}}', RECORD },
    ["2.2.7 deny by action properties"]    = { false, ALICE, '"action":{"name":"delete","properties":{"soft":false}}', RECORD },
    ["2.2.8 more properties"]              = { true, '"subject":{"type":"user","id":"alice","properties":{"department":"Sales","role":"manager"}}',
      '"action":{"name":"read","properties":{"method":"GET"}}', '"resource":{"type":"record","id":"record-1","properties":{"status":"active","owner":"bob"}}' },
    ["2.2.9 unknown fields"]               = { true, ALICE, READ, RECORD, '"foo":"bar"', '"futureField":{"nested":true}' },
  } do
    it(section, function()
      for _ = 1, 3 do assert.equal(case[1], ask(object(table.unpack(case, 2)))) end -- 2.6: again and again
    end)
  end

  it("2.3 and 2.5: format and headers", function()
    local answer = post("evaluation", object(BOB, WRITE, RECORD), { ["X-Request-ID"] = "bfe9eb29-ab87" })
    assert.equal("bfe9eb29-ab87", answer.headers["x-request-id"])
    assert.equal("application/json", answer.headers["content-type"])
    assert.is_table(answer.json.context)
    assert.is_string(post("evaluation", object(ALICE, READ, RECORD)).headers["x-request-id"])
  end)

  for name, body in pairs {
    ["2.4.1 no subject"]         = object(READ, RECORD),
    ["2.4.1 no action"]          = object(ALICE, RECORD),
    ["2.4.1 no resource"]        = object(ALICE, READ),
    ["2.4.2 no subject.type"]    = object('"subject":{"id":"alice"}', READ, RECORD),
    ["2.4.2 no subject.id"]      = object('"subject":{"type":"user"}', READ, RECORD),
    ["2.4.2 no action.name"]     = object(ALICE, '"action":{}', RECORD),
    ["2.4.2 no resource.type"]   = object(ALICE, READ, '"resource":{"id":"record-1"}'),
    ["2.4.2 no resource.id"]     = object(ALICE, READ, '"resource":{"type":"record"}'),
    ["2.4.4 malformed"]          = "{" .. ALICE,
    ["2.4.4 no object"]          = "[]",
    ["2.4.5 empty"]              = "",
    ["2.4.6 subject is a string"] = object('"subject":"alice"', READ, RECORD),
    ["2.4.6 name is a number"]   = object(ALICE, '"action":{"name":123}', RECORD),
    ["2.4.6 properties are a list"] = object('"subject":{"type":"user","id":"alice","properties":[]}', READ, RECORD),
    ["2.4.6 context is a string"] = object(ALICE, READ, RECORD, '"context":"now"'),
  } do
    it(name .. " is 400", function()
      http.expect(post("evaluation", body), 400, "bad_request")
      http.expect(post("evaluations", body), 400, "bad_request")
    end)
  end

  it("2.4.3: another content type is 400", function()
    for _, kind in ipairs { "text/plain", "application/x-www-form-urlencoded", "application/xml" } do
      http.expect(post("evaluation", object(ALICE, READ, RECORD), { ["Content-Type"] = kind }), 400, "bad_request")
    end
    assert.is_true(http.expect(post("evaluation", object(ALICE, READ, RECORD), { ["Content-Type"] = "application/json; charset=utf-8" }), 200).decision)
  end)

  it("3.2: many evaluations, defaults, order", function()
    local ONE, TWO = '"resource":{"type":"record","id":"record-1","properties":{"status":"active"}}', ARCHIVED
    assert.equal(2, #ask_all(object(ALICE, READ, '"evaluations":[' .. object(RECORD) .. "," .. object(TWO) .. "]")))
    assert.same({ true, false }, ask_all(object(BOB, RECORD, '"evaluations":[' .. object(READ) .. "," .. object(WRITE) .. "]")))
    assert.same({ true, false }, ask_all(object(ALICE, WRITE, '"evaluations":[' .. object(ONE) .. "," .. object(TWO) .. "]")))
    assert.same({ false, true }, ask_all(object(WRITE, TWO, '"evaluations":[' .. object(ALICE) .. "," .. object(ADMIN) .. "]")))
    assert.same({ true, false }, ask_all(object('"evaluations":[' .. object(ALICE, READ, RECORD) .. "," .. object(BOB, WRITE, RECORD) .. "]")))
    assert.equal(2, #ask_all(object(ALICE, READ, CONTEXT, '"evaluations":[' .. object(RECORD) .. "," .. object(TWO, CONTEXT) .. "]")))
    assert.same({ true, false }, ask_all(object(ALICE, WRITE, ONE, '"evaluations":[{},' .. object(TWO) .. "]")))
  end)

  it("3.4: an evaluation that is none is denied by itself; no evaluations are one", function()
    local answer = http.expect(post("evaluations", object(ALICE, READ, '"options":{"evaluations_semantic":"execute_all"}',
      '"evaluations":[' .. object(RECORD) .. ",{}]")), 200)
    assert.is_true(answer.evaluations[1].decision)
    assert.is_false(answer.evaluations[2].decision)
    assert.same({ status = 400, code = "bad_request", message = "resource: is missing" }, answer.evaluations[2].context.error)
    assert.is_true(http.expect(post("evaluations", object(ALICE, READ, RECORD)), 200).decision)
    assert.is_true(http.expect(post("evaluations", object(ALICE, READ, RECORD, '"evaluations":[]')), 200).decision)
  end)

  it("the three semantics", function()
    local function with(semantic)
      return ask_all(object(BOB, RECORD, ('"options":{"evaluations_semantic":"%s"}'):format(semantic),
        '"evaluations":[' .. object(READ) .. "," .. object(WRITE) .. "," .. object(READ) .. "]"))
    end
    assert.same({ true, false, true }, with "execute_all")
    assert.same({ true, false }, with "deny_on_first_deny")
    assert.same({ true }, with "permit_on_first_permit")
    http.expect(post("evaluations", object(BOB, RECORD, '"options":{"evaluations_semantic":"some"}', '"evaluations":[{}]')), 400, "bad_request")
    http.expect(post("evaluations", object(BOB, RECORD, '"evaluations":{}')), 400, "bad_request")
    http.expect(post("evaluations", object(BOB, RECORD, '"evaluations":[' .. ("{},"):rep(1000) .. "{}]")), 400, "bad_request")
  end)

  it("4.2: subjects", function()
    local names, answer = find("subject", object('"subject":{"type":"user"}', READ, RECORD))
    assert.same({ "alice", "bob" }, names)
    assert.equal("user", answer.results[1].type)
    assert.same(names, find("subject", object('"subject":{"type":"user"}', READ, RECORD, CONTEXT)))
    assert.same(names, find("subject", object(ALICE, READ, RECORD)))
    assert.same({ "bob" }, find("subject", object('"subject":{"type":"user"}', WRITE, ARCHIVED)))
  end)

  it("4.3: resources", function()
    local names = find("resource", object(ALICE, READ, '"resource":{"type":"record"}'))
    assert.same({ "record-1", "record-2" }, names)
    assert.same(names, find("resource", object(ALICE, READ, '"resource":{"type":"record"}', CONTEXT)))
    assert.same(names, find("resource", object(ALICE, READ, RECORD)))
    assert.same({ "record-2" }, find("resource", object(ADMIN, WRITE, '"resource":{"type":"record"}')))
  end)

  it("4.4: actions", function()
    assert.same({ "read", "write" }, find("action", object(ALICE, RECORD)))
    assert.same({ "read", "write" }, find("action", object(ALICE, RECORD, CONTEXT)))
    assert.same({ "read", "write" }, find("action", object(ADMIN, ARCHIVED)))
  end)

  it("4.5: pages", function()
    local QUERY = '"subject":{"type":"user"},' .. READ .. "," .. RECORD
    local names, answer = find("subject", object(QUERY, '"page":{"limit":1}'))
    assert.same({ "alice" }, names)
    assert.equal(1, answer.page.count)
    local token = answer.page.next_token
    assert.truthy(#token > 0)
    names, answer = find("subject", object(QUERY, ('"page":{"token":"%s"}'):format(token)))
    assert.same({ "bob" }, names)
    assert.equal("", answer.page.next_token)
    http.expect(post("search/subject", object('"subject":{"type":"user"},' .. WRITE .. "," .. RECORD, ('"page":{"token":"%s"}'):format(token))), 400, "bad_request")
    http.expect(post("search/subject", object(QUERY, ('"page":{"token":"%s","limit":2}'):format(token))), 400, "bad_request")
    http.expect(post("search/action", object(ALICE, RECORD, ('"page":{"token":"%s"}'):format(token))), 400, "bad_request")
    for _, wrong in ipairs { "x", "00", token .. "0", token:upper() .. "-", "0-1-0-" } do
      http.expect(post("search/subject", object(QUERY, ('"page":{"token":"%s"}'):format(wrong))), 400, "bad_request")
    end
    http.expect(post("search/subject", object(QUERY, '"page":{"limit":-1}')), 400, "bad_request")
    names, answer = find("subject", object(QUERY, '"page":{"limit":0}'))
    assert.same({ {}, true }, { names, #answer.page.next_token > 0 })
    names, answer = find("action", object(ALICE, RECORD, '"page":{"limit":1}'))
    assert.same({ "read" }, names)
    names, answer = find("action", object(ALICE, RECORD, ('"page":{"token":"%s"}'):format(answer.page.next_token)))
    assert.same({ { "write" }, "" }, { names, answer.page.next_token })
  end)

  it("4.6: who is not known finds nothing", function()
    local NOBODY, SHIP = '"subject":{"type":"user","id":"nonexistent-user"}', '"subject":{"type":"spaceship","id":"x"}'
    assert.same({}, find("action", object(NOBODY, RECORD)))
    assert.same({}, find("action", object(SHIP, RECORD)))
    assert.same({}, find("action", object(ALICE, '"resource":{"type":"record","id":"record-9"}')))
    assert.same({}, find("action", object(ALICE, '"resource":{"type":"spaceship","id":"x"}')))
    assert.same({}, find("subject", object('"subject":{"type":"spaceship"}', READ, RECORD)))
    assert.same({}, find("subject", object('"subject":{"type":"user"}', READ, '"resource":{"type":"record","id":"record-9"}')))
    assert.same({}, find("resource", object(NOBODY, READ, '"resource":{"type":"record"}')))
    assert.same({}, find("resource", object(ALICE, READ, '"resource":{"type":"spaceship"}')))
    assert.truthy(post("search/action", object(NOBODY, RECORD)).body:find('"results":[]', 1, true))
  end)

  it("4.7: what is missing in a search is 400", function()
    for _, case in ipairs {
      { "subject", '"subject":{"type":"user"}', RECORD }, { "resource", READ, '"resource":{"type":"record"}' }, { "action", ALICE },
      { "subject", '"subject":{"type":"user"}', READ, '"resource":{"type":"record"}' },
      { "resource", '"subject":{"type":"user"}', READ, '"resource":{"type":"record"}' },
      { "action", '"subject":{"type":"user"}', RECORD },
    } do
      http.expect(post("search/" .. case[1], object(table.unpack(case, 2))), 400, "bad_request")
    end
  end)

  it("6: the metadata document", function()
    local answer = statute.client:get "/.well-known/authzen-configuration"
    assert.equal("application/json", answer.headers["content-type"])
    assert.same({
      policy_decision_point = BASE,
      access_evaluation_endpoint = BASE .. "/access/v1/evaluation",
      access_evaluations_endpoint = BASE .. "/access/v1/evaluations",
      search_subject_endpoint = BASE .. "/access/v1/search/subject",
      search_resource_endpoint = BASE .. "/access/v1/search/resource",
      search_action_endpoint = BASE .. "/access/v1/search/action",
    }, http.expect(answer, 200))
  end)
end)

local PARCEL = [[
local function is_paid(parcel) return parcel.paid == true, "Not paid for" end
return {
  machine "parcel" {
    initial = "PACKED",
    states = {
      PACKED  = { to = { SENT = { name = "send", permit = "parcel.send", guard = is_paid }, LOST = { permit = "parcel.lose" } } },
      SENT    = { to = { ARRIVED = true } },
      ARRIVED = { final = true }, LOST = { final = true },
    },
  },
  roles { clerk = { "parcel.send" } },
  access "shelf" {
    actions = {
      open   = { "shelf.open", "shelf.touch" },
      look   = function(_, _, ctx) local found = ctx:find("parcel", ctx.context.parcel) return found ~= nil and found.state == "PACKED" end,
      truthy = function() return 1 end,
      broken = function() error "no" end,
      endless = function() while true do end end,
    },
  },
}
]]

describe("access without a directory", function()
  local statute
  setup(function()
    statute = server.start { policies = { ["parcel.lua"] = PARCEL } }
    statute:create("parcel", "paid", { paid = true })
    statute:create("parcel", "unpaid", {})
  end)
  teardown(function() statute:stop() end)

  local function ask(subject, action, resource, context)
    return statute.client:post("/access/v1/evaluation", { subject = subject, action = { name = action }, resource = resource, context = context })
  end
  local CLERK = { type = "user", id = "ann", properties = { roles = { "clerk" } } }
  local function parcel(id) return { type = "parcel", id = id } end

  it("decides about transitions as they would be decided now", function()
    assert.is_true(http.expect(ask(CLERK, "send", parcel "paid"), 200).decision)
    assert.is_true(http.expect(ask(CLERK, "SENT", parcel "paid"), 200).decision)
    local answer = http.expect(ask(CLERK, "send", parcel "unpaid"), 200)
    assert.is_false(answer.decision)
    assert.same({ "guard_rejected", "Not paid for", "parcel.lua", 1 },
      { answer.context.code, answer.context.reason, answer.context.file, answer.context.line })
    answer = http.expect(ask({ type = "user", id = "eve" }, "send", parcel "paid"), 200)
    assert.is_false(answer.decision)
    assert.same({ "parcel.send" }, answer.context.missing_permissions)
    assert.equal("invalid_transition", http.expect(ask(CLERK, "ARRIVED", parcel "paid"), 200).context.code)
    assert.equal("entity_not_found", http.expect(ask(CLERK, "send", parcel "none"), 200).context.code)
    assert.equal("PACKED", http.expect(statute.client:get "/v1/entities/parcel/paid", 200).state)
  end)

  it("finds the transitions that may be fired now, and the entities and subjects of which this is so", function()
    local function search(what, body) return http.expect(statute.client:post("/access/v1/search/" .. what, body), 200).results end
    assert.same({ { name = "send", properties = { to = "SENT" } } }, search("action", { subject = CLERK, resource = parcel "paid" }))
    assert.same({}, search("action", { subject = CLERK, resource = parcel "unpaid" }))
    assert.same({ { type = "parcel", id = "paid" } },
      search("resource", { subject = CLERK, action = { name = "send" }, resource = { type = "parcel" } }))
    assert.same({}, search("subject", { subject = { type = "user" }, action = { name = "send" }, resource = parcel "paid" }))
  end)

  it("wants all permissions, and a function that says true", function()
    local shelf = { type = "shelf", id = "s" }
    local function may(action, properties, context)
      return http.expect(ask({ type = "user", id = "ann", properties = properties }, action, shelf, context), 200)
    end
    assert.is_true(may("open", { permissions = { "shelf.*" } }).decision)
    assert.same({ "shelf.touch" }, may("open", { permissions = { "shelf.open" } }).context.missing_permissions)
    assert.is_false(may("open").decision)
    assert.is_true(may("look", nil, { parcel = "paid" }).decision)
    assert.is_false(may("look", nil, { parcel = "none" }).decision)
    assert.is_false(may("look").decision)
    assert.is_false(may("truthy").decision)
    local answer = may "opne"
    assert.is_false(answer.decision)
    assert.truthy(answer.context.reason:find("did you mean 'open'", 1, true))
    answer = http.expect(ask(CLERK, "send", { type = "parcle", id = "paid" }), 200)
    assert.is_false(answer.decision)
    assert.truthy(answer.context.reason:find("did you mean 'parcel'", 1, true))
  end)

  it("fails closed when a policy fails, and nobody else notices", function()
    local shelf = { type = "shelf", id = "s" }
    http.expect(ask(CLERK, "broken", shelf), 500, "policy_error")
    http.expect(ask(CLERK, "endless", shelf), 500, "policy_error")
    local answer = http.expect(statute.client:post("/access/v1/evaluations", { subject = CLERK, resource = shelf,
      evaluations = { { action = { name = "broken" } }, { action = { name = "look" }, context = { parcel = "paid" } } } }), 200)
    assert.same({ false, true }, { answer.evaluations[1].decision, answer.evaluations[2].decision })
    assert.equal(500, answer.evaluations[1].context.error.status)
    assert.same({}, http.expect(statute.client:post("/access/v1/search/resource",
      { subject = CLERK, action = { name = "broken" }, resource = { type = "shelf" } }), 200).results)
  end)

  it("says where it is as the caller came", function()
    local answer = http.expect(statute.client:get "/.well-known/authzen-configuration", 200)
    assert.truthy(answer.policy_decision_point == "http://statute.test")
  end)
end)

describe("a wrong access or directory", function()
  for source, message in pairs {
    ['return { access "a" { actions = { x = "p" } }, access "a" { actions = { x = "p" } } }'] = "access 'a' is declared twice",
    ['return access "a" { action = {} }'] = "did you mean 'actions'",
    ['return access "a" { actions = { x = {} } }'] = "it names no permission",
    ['return access "a" { actions = { x = 1 } }'] = "it must be a permission",
    ['return directory { subject = {} }'] = "did you mean 'subjects'",
    ['return directory { subjects = { user = { "alice" } } }'] = "id = { properties }",
    ['return directory { subjects = { user = { alice = "admin" } } }'] = "it must be a table of properties",
    ['return directory { subjects = { user = { alice = { f = function() end } } } }'] = "function",
    ['return { directory { subjects = { user = { a = {} } } }, directory { subjects = { user = { a = {} } } } }'] = "user 'a' is listed twice",
  } do
    it(("is refused: %s"):format(message), function()
      local directory = policies.write({ ["x.lua"] = source }, policies.temporary())
      local status, out, err = server.statute { "check", "--policies", directory }
      policies.remove(directory)
      assert.equal(1, status)
      assert.truthy((out .. err):find(message, 1, true), out .. err)
    end)
  end
end)
