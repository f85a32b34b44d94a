-- The certification scenario of the OpenID AuthZEN Authorization API 1.0, each case under its level and the number of its
-- section, on the policies of examples/authzen; then what the standard asks for besides, machines, and pages.
local http     = require "tests.support.http"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local BASE = "https://pdp.example.com"
local WELL_KNOWN = "/.well-known/authzen-configuration"

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
local USER   = '"subject":{"type":"user"}'
local READ   = '"action":{"name":"read"}'
local WRITE  = '"action":{"name":"write"}'
local RECORD = '"resource":{"type":"record","id":"record-1"}'
local RECORDS = '"resource":{"type":"record"}'
local ACTIVE = '"resource":{"type":"record","id":"record-1","properties":{"status":"active"}}'
local ARCHIVED = '"resource":{"type":"record","id":"record-2","properties":{"status":"archived"}}'
local ADMIN = '"subject":{"type":"user","id":"bob","properties":{"role":"admin"}}'
local CONTEXT = '"context":{"time":"2025-06-27T18:03-07:00","ip":"192.168.1.1"}'
local FOREIGN = '"foo":"bar","futureField":{"nested":true}'

local function object(...) return "{" .. table.concat({ ... }, ",") .. "}" end
local function list(...) return '"evaluations":[' .. table.concat({ ... }, ",") .. "]" end
local function semantic(name) return ('"options":{"evaluations_semantic":"%s"}'):format(name) end

-- What every call has to do alike, with a request that it answers.
local CALLS = {
  evaluation          = { "Basic Core", ALICE, READ, RECORD },
  evaluations         = { "Batch Core", ALICE, READ, list(object(RECORD), object(ARCHIVED)) },
  ["search/subject"]  = { "Search Core", USER, READ, RECORD },
  ["search/resource"] = { "Search Core", ALICE, READ, RECORDS },
  ["search/action"]   = { "Search Core", ALICE, RECORD },
}

describe("the AuthZEN certification scenario:", function()
  local statute
  setup(function() statute = server.start { policies = fixture(), arguments = { "--public-url", BASE .. "/" } } end)
  teardown(function() statute:stop() end)

  local function post(path, body, headers) return statute.client:post("/access/v1/" .. path, body, headers) end
  local function ask(body) return http.expect(post("evaluation", body), 200).decision end
  local function ask_all(...)
    local answer, decisions = http.expect(post("evaluations", object(...)), 200), {}
    for i, item in ipairs(answer.evaluations) do
      assert.is_boolean(item.decision)
      decisions[i] = item.decision
    end
    assert.is_nil(answer.decision)
    return decisions
  end
  local function find(what, ...)
    local answer, names = http.expect(post("search/" .. what, object(...)), 200), {}
    for i, result in ipairs(answer.results) do names[i] = result.id or result.name end
    return names, answer
  end

  for name, case in pairs {
    ["Basic Core 2.2.1: permit"]                       = { true, ALICE, READ, RECORD },
    ["Basic Core 2.2.2: deny"]                         = { false, BOB, WRITE, RECORD },
    ["Basic Core 1.4: rule 2"]                         = { true, ALICE, WRITE, RECORD },
    ["Basic Core 1.4: rule 3"]                         = { true, BOB, READ, RECORD },
    ["Basic Core 2.2.3: context"]                      = { true, ALICE, READ, RECORD, CONTEXT },
    ["Basic Core 2.2.8: more properties"]              = { true, '"subject":{"type":"user","id":"alice","properties":{"department":"Sales","role":"manager"}}',
      '"action":{"name":"read","properties":{"method":"GET"}}', '"resource":{"type":"record","id":"record-1","properties":{"status":"active","owner":"bob"}}' },
    ["Basic Core 2.2.9: unknown fields"]               = { true, ALICE, READ, RECORD, FOREIGN },
    ["Basic Core 2.2.9: unknown fields of a subject"]  = { true, '"subject":{"type":"user","id":"alice","customAttr":"x","more":{"k":"v"}}', READ, RECORD },
    ["Basic Core 2.2.9: unknown fields of an action"]  = { true, ALICE, '"action":{"name":"read","customAttr":"x"}', RECORD },
    ["Basic Core 2.2.9: unknown fields of a resource"] = { true, ALICE, READ, '"resource":{"type":"record","id":"record-1","more":[1,2,3]}' },
    ["Basic Properties 2.2.4: deny by resource"]       = { false, ALICE, WRITE, ARCHIVED },
    ["Basic Properties 2.2.5: permit by subject"]      = { true, ADMIN, WRITE, ARCHIVED },
    ["Basic Properties 2.2.6: permit by action"]       = { true, ALICE, '"action":{"name":"delete","properties":{"soft":true}}', RECORD },
    ["Basic Properties 2.2.7: deny by action"]         = { false, ALICE, '"action":{"name":"delete","properties":{"soft":false}}', RECORD },
  } do
    it(name, function()
      for _ = 1, 3 do assert.equal(case[1], ask(object(table.unpack(case, 2)))) end -- 2.6: again and again
      local with_context = { table.unpack(case, 2) }
      with_context[#with_context + 1] = case[5] ~= CONTEXT and CONTEXT or nil
      assert.equal(case[1], ask(object(table.unpack(with_context)))) -- 1.6
    end)
  end

  it("Basic Core 2.3: a decision, and a context that is an object", function()
    assert.same({ decision = true }, post("evaluation", object(ALICE, READ, RECORD)).json)
    assert.is_table(post("evaluation", object(BOB, WRITE, RECORD)).json.context)
  end)

  for path, case in pairs(CALLS) do
    local level, body = case[1], object(table.unpack(case, 2))

    it(("%s 2.5, 2.6 and 5: %s, again and again, with its headers"):format(level, path), function()
      local first = post(path, body)
      http.expect(first, 200)
      assert.equal("application/json", first.headers["content-type"])
      assert.is_string(first.headers["x-request-id"])
      for _, id in ipairs { "bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any words, even: these / \"quoted\"", ("i"):rep(256) } do
        local answer = post(path, body, { ["X-Request-ID"] = id })
        assert.equal(id, answer.headers["x-request-id"])
        assert.equal(first.body, answer.body)
        assert.equal(id, post(path, "{", { ["X-Request-ID"] = id }).headers["x-request-id"])
      end
      for _, kind in ipairs { "application/json; charset=utf-8", "APPLICATION/JSON" } do
        assert.equal(first.body, post(path, body, { ["Content-Type"] = kind }).body)
      end
      assert.equal(first.body, post(path, "{" .. FOREIGN .. "," .. body:sub(2)).body)
    end)

    it(("%s 2.4.3 to 2.4.5: what is not a JSON object is 400: %s"):format(level, path), function()
      for _, kind in ipairs { "text/plain", "application/x-www-form-urlencoded", "application/xml", "application/problem+json" } do
        http.expect(post(path, body, { ["Content-Type"] = kind }), 400, "bad_request")
      end
      for _, wrong in ipairs { "", "{", body .. ",", "[" .. body .. "]", '"alice"', "null", '{"subject":{"type":"user","id":"\\ud800"}}' } do
        local answer = post(path, wrong)
        http.expect(answer, 400, "bad_request")
        assert.is_string(answer.json.detail)
      end
    end)

    it(("%s 5: only POST: %s"):format(level, path), function()
      for _, method in ipairs { "GET", "PUT", "DELETE" } do
        local answer = statute.client:request(method, "/access/v1/" .. path, method ~= "GET" and body or nil)
        http.expect(answer, 405, "method_not_allowed")
        assert.equal("POST", answer.headers["allow"])
      end
    end)
  end

  for name, body in pairs {
    ["2.4.1: no subject"]             = object(READ, RECORD),
    ["2.4.1: no action"]              = object(ALICE, RECORD),
    ["2.4.1: no resource"]            = object(ALICE, READ),
    ["2.4.2: no subject.type"]        = object('"subject":{"id":"alice"}', READ, RECORD),
    ["2.4.2: no subject.id"]          = object(USER, READ, RECORD),
    ["2.4.2: no action.name"]         = object(ALICE, '"action":{}', RECORD),
    ["2.4.2: no resource.type"]       = object(ALICE, READ, '"resource":{"id":"record-1"}'),
    ["2.4.2: no resource.id"]         = object(ALICE, READ, RECORDS),
    ["2.4.6: subject is a string"]    = object('"subject":"alice"', READ, RECORD),
    ["2.4.6: name is a number"]       = object(ALICE, '"action":{"name":123}', RECORD),
    ["2.4.6: id is a number"]         = object(ALICE, READ, '"resource":{"type":"record","id":1}'),
    ["2.4.6: properties are a list"]  = object('"subject":{"type":"user","id":"alice","properties":[]}', READ, RECORD),
    ["2.4.6: context is a string"]    = object(ALICE, READ, RECORD, '"context":"now"'),
  } do
    it("Basic Core " .. name .. " is 400", function()
      http.expect(post("evaluation", body), 400, "bad_request")
      http.expect(post("evaluations", body), 400, "bad_request")
    end)
  end

  it("Batch Core 3.2.1, 3.2.2, 3.2.5, 3.2.6, 3.3: decisions in the order of the questions", function()
    assert.same({ true, true }, ask_all(ALICE, READ, list(object(RECORD), object '"resource":{"type":"record","id":"record-2"}')))
    assert.same({ true, false }, ask_all(BOB, RECORD, list(object(READ), object(WRITE))))
    assert.same({ true, false }, ask_all(list(object(ALICE, READ, RECORD), object(BOB, WRITE, RECORD))))
    assert.same({ true, true }, ask_all(ALICE, READ, CONTEXT,
      list(object(RECORD), object('"resource":{"type":"record","id":"record-2"}', '"context":{"source":"batch-override"}'))))
    assert.same({ true, false }, ask_all(BOB, WRITE, RECORD, list(object(READ), "{}")))
  end)

  it("Batch Core 3.4.1: what lacks something is denied by itself", function()
    local answer = http.expect(post("evaluations", object(ALICE, READ, semantic "execute_all", list(object(RECORD), "{}"))), 200)
    assert.is_true(answer.evaluations[1].decision)
    assert.is_false(answer.evaluations[2].decision)
    assert.same({ status = 400, code = "bad_request", message = "resource: is missing" }, answer.evaluations[2].context.error)
    assert.same({ false }, ask_all(READ, list(object(RECORD))))
    assert.same({ false, true }, ask_all(ALICE, READ, list("7", object(RECORD))))
    assert.same({ true, false }, ask_all(ALICE, READ, list(object(RECORD), object '"resource":"record-1"')))
  end)

  it("Batch Core 3.4.2, 3.4.3: no evaluations are one evaluation", function()
    for _, more in ipairs { '"foo":1', list(), semantic "deny_on_first_deny" } do
      assert.same({ decision = true }, http.expect(post("evaluations", object(ALICE, READ, RECORD, more)), 200))
    end
    assert.is_false(http.expect(post("evaluations", object(BOB, WRITE, RECORD, list())), 200).decision)
  end)

  it("Batch Properties 3.2.3, 3.2.4: properties count in each", function()
    assert.same({ true, false }, ask_all(ALICE, WRITE, list(object(ACTIVE), object(ARCHIVED))))
    assert.same({ false, true }, ask_all(WRITE, ARCHIVED, list(object(ALICE), object(ADMIN))))
  end)

  it("Batch Properties 3.2.7: a default is taken as a whole, or not at all", function()
    assert.same({ true, false }, ask_all(ALICE, WRITE, ACTIVE, list("{}", object(ARCHIVED))))
    assert.same({ true, false }, ask_all(ALICE, WRITE, ARCHIVED, list(object(RECORD), "{}"))) -- without its status
    assert.same({ false, false, true }, ask_all(ALICE, READ, RECORD,
      list(object '"resource":{"id":"record-2"}', object '"resource":{}', object '"subject":{"type":"user","id":"bob"}')))
  end)

  it("Search Core 4.2.1, 4.2.2, 4.2.3: subjects", function()
    local names, answer = find("subject", USER, READ, RECORD)
    assert.same({ "alice", "bob" }, names)
    assert.same({ { type = "user", id = "alice" }, { type = "user", id = "bob" } }, answer.results)
    for _, entity in ipairs(answer.results) do assert.equal("user", entity.type) end
    assert.is_nil(answer.page)
    assert.same(names, find("subject", USER, READ, RECORD, CONTEXT))
    assert.same(names, find("subject", ALICE, READ, RECORD))
    for _, id in ipairs { '"ignored-stray-id"', "7", "null", "{}", '"' .. ("x"):rep(2000) .. '"' } do
      assert.same(names, find("subject", '"subject":{"type":"user","id":' .. id .. "}", READ, RECORD))
    end
  end)

  it("Search Core 4.3.1, 4.3.2, 4.3.3: resources", function()
    local names, answer = find("resource", ALICE, READ, RECORDS)
    assert.same({ "record-1", "record-2" }, names)
    assert.same({ type = "record", id = "record-1" }, answer.results[1])
    assert.same(names, find("resource", ALICE, READ, RECORDS, CONTEXT))
    assert.same(names, find("resource", ALICE, READ, RECORD))
    assert.same(names, find("resource", ALICE, READ, '"resource":{"type":"record","id":7}'))
  end)

  it("Search Core 4.4.1, 4.4.2: actions", function()
    local names, answer = find("action", ALICE, RECORD)
    assert.same({ "read", "write" }, names)
    assert.same({ { name = "read" }, { name = "write" } }, answer.results)
    assert.same(names, find("action", ALICE, RECORD, CONTEXT))
    for _, action in ipairs { READ, '"action":{}', '"action":7' } do assert.same(names, find("action", ALICE, RECORD, action)) end
  end)

  it("Search Properties 4.2.4, 4.3.4, 4.4.3", function()
    assert.same({ "bob" }, find("subject", USER, WRITE, ARCHIVED))
    assert.same({ "record-2" }, find("resource", ADMIN, WRITE, RECORDS))
    assert.same({ "read", "write" }, find("action", ADMIN, ARCHIVED))
  end)

  it("Search Core: what is found is permitted, and nothing else is", function()
    for _, subject in ipairs { ALICE, BOB } do
      local may = {}
      for _, name in ipairs(find("action", subject, RECORD)) do may[name] = true end
      for _, name in ipairs { "read", "write", "delete" } do
        assert.equal(may[name] or false, ask(object(subject, ('"action":{"name":"%s"}'):format(name), RECORD)))
      end
    end
  end)

  local function page(members) return '"page":{' .. members .. "}" end
  local function token(answer) return ('"token":"%s"'):format(answer.page.next_token) end

  it("Search Core 4.5: pages", function()
    local names, answer = find("subject", USER, READ, RECORD, page '"limit":1')
    assert.same({ "alice" }, names)
    assert.equal(1, answer.page.count)
    assert.truthy(#answer.page.next_token > 0)
    assert.equal(1, post("search/subject", object(USER, READ, RECORD, page '"limit":1')).body:find('{"page":', 1, true))
    for _, more in ipairs { "", ',"limit":1' } do -- the limit is that of the first, said again or not
      local second, last = find("subject", USER, READ, RECORD, page(token(answer) .. more))
      assert.same({ { "bob" }, "", 1 }, { second, last.page.next_token, last.page.count })
    end
    names, answer = find("resource", ALICE, READ, RECORDS, page '"limit":1')
    assert.same({ "record-1" }, names)
    names, answer = find("resource", ALICE, READ, RECORDS, page(token(answer)))
    assert.same({ { "record-2" }, "" }, { names, answer.page.next_token })
    names, answer = find("action", ALICE, RECORD, page '"limit":1')
    assert.same({ "read" }, names)
    names, answer = find("action", ALICE, RECORD, page(token(answer)))
    assert.same({ { "write" }, "" }, { names, answer.page.next_token })
    names, answer = find("subject", USER, READ, RECORD, page '"limit":10,"customAttr":"x"')
    assert.same({ { "alice", "bob" }, "" }, { names, answer.page.next_token })
    names, answer = find("subject", USER, READ, RECORD, page '"limit":0')
    assert.same({ {}, true }, { names, #answer.page.next_token > 0 })
    assert.same({ next_token = "", count = 2 }, select(2, find("subject", USER, READ, RECORD, page "")).page)
  end)

  it("Search Core 4.5: a token belongs to its search, whatever the order of its members", function()
    local _, answer = find("subject", USER, READ, RECORD, page '"limit":1,"properties":{"a":1}')
    for _, same in ipairs {
      { RECORD, '"action":{"name":"read"},"subject":{"type":"user"}', page(token(answer)) },
      { '"subject":{"id":"alice","type":"user"}', READ, RECORD, FOREIGN, page(token(answer) .. ',"properties":{"a":1},"limit":1') },
    } do
      assert.same({ "bob" }, find("subject", table.unpack(same)))
    end
    for _, other in ipairs {
      { USER, WRITE, RECORD, page(token(answer)) },
      { USER, READ, ARCHIVED, page(token(answer)) },
      { USER, READ, RECORD, CONTEXT, page(token(answer)) },
      { '"subject":{"type":"user","properties":{}}', READ, RECORD, page(token(answer)) },
      { USER, READ, RECORD, page(token(answer) .. ',"limit":2') },
      { USER, READ, RECORD, page(token(answer) .. ',"properties":{"a":2}') },
    } do
      http.expect(post("search/subject", object(table.unpack(other))), 400, "bad_request")
    end
    http.expect(post("search/action", object(ALICE, RECORD, page(token(answer)))), 400, "bad_request")
  end)

  it("Search Core 4.5: a page that could be none is 400", function()
    local _, answer = find("subject", USER, READ, RECORD, page '"limit":1')
    local given = answer.page.next_token
    for _, wrong in ipairs { "x", "00", given .. "0", given:upper() .. "-", "0-1-0-", (given:gsub("%-0%-.*", "-1-00")), (given:gsub("%-0%-", "-2-")) } do
      http.expect(post("search/subject", object(USER, READ, RECORD, page(('"token":"%s"'):format(wrong)))), 400, "bad_request")
    end
    for _, wrong in ipairs { '"limit":-1', '"limit":"1"', '"limit":1.5', '"token":7', '"properties":[]' } do
      http.expect(post("search/subject", object(USER, READ, RECORD, page(wrong))), 400, "bad_request")
    end
    http.expect(post("search/subject", object(USER, READ, RECORD, '"page":1')), 400, "bad_request")
  end)

  it("Search Core 4.6: who is not known finds nothing", function()
    local NOBODY, SHIP = '"subject":{"type":"user","id":"nonexistent-user"}', '"subject":{"type":"spaceship","id":"x"}'
    assert.same({}, find("action", NOBODY, RECORD))
    assert.same({}, find("action", SHIP, RECORD))
    assert.same({}, find("action", ALICE, '"resource":{"type":"record","id":"record-9"}'))
    assert.same({}, find("action", ALICE, '"resource":{"type":"spaceship","id":"x"}'))
    assert.same({}, find("subject", '"subject":{"type":"spaceship"}', READ, RECORD))
    assert.same({}, find("subject", USER, READ, '"resource":{"type":"record","id":"record-9"}'))
    assert.same({}, find("subject", USER, READ, '"resource":{"type":"spaceship","id":"x"}'))
    assert.same({}, find("subject", USER, '"action":{"name":"fly"}', RECORD))
    assert.same({}, find("resource", NOBODY, READ, RECORDS))
    assert.same({}, find("resource", SHIP, READ, RECORDS))
    assert.same({}, find("resource", ALICE, READ, '"resource":{"type":"spaceship"}'))
    assert.equal('{"results":[]}', post("search/action", object(NOBODY, RECORD)).body)
  end)

  for _, case in ipairs {
    { "subject", READ, RECORD }, { "subject", USER, RECORD }, { "subject", USER, READ },
    { "subject", '"subject":{}', READ, RECORD }, { "subject", USER, '"action":{}', RECORD }, { "subject", USER, '"action":"read"', RECORD },
    { "subject", USER, READ, RECORDS }, { "subject", USER, READ, '"resource":{"id":"record-1"}' },
    { "resource", READ, RECORDS }, { "resource", ALICE, RECORDS }, { "resource", ALICE, READ },
    { "resource", USER, READ, RECORDS }, { "resource", ALICE, '"action":{}', RECORDS }, { "resource", ALICE, READ, '"resource":{}' },
    { "action", ALICE }, { "action", RECORD }, { "action", USER, RECORD }, { "action", '"subject":{"id":"alice"}', RECORD },
    { "action", '"subject":"alice"', RECORD }, { "action", ALICE, RECORDS }, { "action", ALICE, '"resource":{"id":"record-1"}' },
  } do
    local body = object(table.unpack(case, 2))
    it(("Search Core 4.7: search/%s of %s is 400"):format(case[1], body), function()
      http.expect(post("search/" .. case[1], body), 400, "bad_request")
    end)
  end

  it("Discovery 6: the metadata document", function()
    local answer = statute.client:get(WELL_KNOWN)
    assert.equal("application/json", answer.headers["content-type"])
    assert.equal("max-age=300", answer.headers["cache-control"])
    assert.same({
      policy_decision_point = BASE,
      access_evaluation_endpoint = BASE .. "/access/v1/evaluation",
      access_evaluations_endpoint = BASE .. "/access/v1/evaluations",
      search_subject_endpoint = BASE .. "/access/v1/search/subject",
      search_resource_endpoint = BASE .. "/access/v1/search/resource",
      search_action_endpoint = BASE .. "/access/v1/search/action",
    }, http.expect(answer, 200))
    http.expect(statute.client:get(WELL_KNOWN .. "/tenant1"), 404, "not_found")
    http.expect(statute.client:post(WELL_KNOWN, "{}"), 405, "method_not_allowed")
  end)

  -- Section 7 of the standard; the scenario leaves the other two semantics out.
  it("the three semantics", function()
    local function with(name, ...) return ask_all(BOB, RECORD, semantic(name), list(...)) end
    local YES, NO, BROKEN = object(READ), object(WRITE), object '"action":{}'
    assert.same({ true, false, true }, with("execute_all", YES, NO, YES))
    assert.same({ true, false }, with("deny_on_first_deny", YES, NO, YES))
    assert.same({ true, false }, with("deny_on_first_deny", YES, BROKEN, YES))
    assert.same({ true, true }, with("deny_on_first_deny", YES, YES))
    assert.same({ true }, with("permit_on_first_permit", YES, NO, YES))
    assert.same({ false, false, true }, with("permit_on_first_permit", NO, BROKEN, YES, NO))
    assert.same({ false, false }, with("permit_on_first_permit", NO, NO))
    assert.same({ true }, ask_all(BOB, RECORD, '"options":{"another_option":"value"}', list(YES)))
  end)

  it("what spoils a whole call is 400", function()
    for _, body in ipairs {
      object(ALICE, READ, semantic "bogus_value", list(object(RECORD))),
      object(ALICE, READ, '"options":{"evaluations_semantic":1}', list(object(RECORD))),
      object(ALICE, READ, '"options":[]', list(object(RECORD))),
      object(BOB, RECORD, '"evaluations":{}'),
      object(BOB, RECORD, list(("{},"):rep(1000) .. "{}")),
      object('"subject":"alice"', list(object(ALICE, READ, RECORD))),
      object('"action":{"name":1}', list(object(ALICE, READ, RECORD))),
      object('"context":7', list(object(ALICE, READ, RECORD))),
    } do
      http.expect(post("evaluations", body), 400, "bad_request")
    end
    assert.equal(1000, #ask_all(BOB, RECORD, READ, list(("{},"):rep(999) .. "{}")))
  end)
end)

describe("AuthZEN with API keys", function()
  local statute, directory, store
  local keys = {}
  setup(function()
    directory = policies.temporary()
    store = server.new_store(directory)
    for name, scopes in pairs { reader = "read", writer = "transition" } do
      local status, out, err = server.statute { "token", "create", "--store", store, "--name", name, "--scopes", scopes }
      assert(status == 0, err)
      keys[name] = assert(out:match "st_%w+_%w+", out)
    end
    statute = server.start { directory = directory, store = store, auth = false, policies = fixture(),
      arguments = { "--public-url", BASE .. "/tenant1/" } }
  end)
  teardown(function()
    statute:stop()
    server.drop_store(store)
  end)

  local function post(path, key)
    local client = http.connect(statute.port, { Authorization = key and "Bearer " .. key, ["X-Request-ID"] = "r-1" })
    return client:post("/access/v1/" .. path, object(table.unpack(CALLS[path], 2)))
  end

  for path in pairs(CALLS) do
    it(("401 is who is not known, 403 who may not ask, and neither is a decision: %s"):format(path), function()
      for _, key in ipairs { false, "invalid-bogus-credential" } do
        local answer = post(path, key)
        http.expect(answer, 401, "unauthenticated")
        assert.equal("Bearer", answer.headers["www-authenticate"]:match "^%a+")
        assert.equal("r-1", answer.headers["x-request-id"])
        assert.is_nil(answer.json.decision)
      end
      http.expect(post(path, keys.writer), 403, "permission_denied")
      http.expect(post(path, keys.reader), 200)
    end)
  end

  it("the document is open to all, before the path of the public URL too", function()
    local client = http.connect(statute.port, {})
    for _, path in ipairs { WELL_KNOWN, WELL_KNOWN .. "/tenant1" } do
      local document = http.expect(client:get(path), 200)
      assert.equal(BASE .. "/tenant1", document.policy_decision_point)
      assert.equal(BASE .. "/tenant1/access/v1/search/action", document.search_action_endpoint)
    end
    http.expect(client:get(WELL_KNOWN .. "/tenant2"), 404, "not_found")
    http.expect(client:get(WELL_KNOWN .. "/tenant1/more"), 404, "not_found")
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

  it("is not held up by a call whose policies take long", function()
    local asked = {}
    for i = 1, 1000 do asked[i] = { action = { name = "endless" } } end
    local answer = http.expect(statute.client:request("POST", "/access/v1/evaluations",
      { subject = CLERK, resource = { type = "shelf", id = "s" }, evaluations = asked }, nil, 60), 200)
    assert.equal(1000, #answer.evaluations)
    assert.same({ 500, 503 }, { answer.evaluations[1].context.error.status, answer.evaluations[1000].context.error.status })
    assert.is_false(answer.evaluations[1000].decision)
  end)

  it("takes an id that no entity can have for one that does not exist", function()
    for _, id in ipairs { "", "pa\nid", ".", ("x"):rep(900) } do
      assert.equal("entity_not_found", http.expect(ask(CLERK, "send", parcel(id)), 200).context.code)
      assert.same({}, http.expect(statute.client:post("/access/v1/search/action", { subject = CLERK, resource = parcel(id) }), 200).results)
      assert.is_false(http.expect(ask({ type = "parcel", id = id }, "open", { type = "shelf", id = "s" }), 200).decision)
    end
  end)

  it("says where it is as the caller came", function()
    local answer = http.expect(statute.client:get "/.well-known/authzen-configuration", 200)
    assert.truthy(answer.policy_decision_point == "http://statute.test")
  end)
end)

-- Three parcels are listed and two of them are entities too; two more are entities only.
local DEPOT = [[
local parcels = {}
for i = 1, 3 do parcels["p" .. i] = { shelf = "listed" } end
return {
  machine "parcel"   { initial = "PACKED", states = { PACKED = { to = { SENT = { name = "send", permit = "parcel.send" }, LOST = true } }, SENT = {}, LOST = {} } },
  machine "employee" { initial = "HIRED", states = { HIRED = { to = { GONE = true } }, GONE = {} } },
  roles { clerk = { "parcel.send", "parcel.read" } },
  access "parcel" { actions = { read = "parcel.read", send = "parcel.send",
    weigh = function(_, parcel) return parcel.properties.shelf == nil, "It lies on a shelf" end } },
  directory { subjects = { user = { ann = { role = "clerk" } } }, resources = { parcel = parcels } },
}
]]

describe("a directory and entities together", function()
  local statute
  setup(function()
    statute = server.start { policies = { ["depot.lua"] = DEPOT } }
    for _, id in ipairs { "p5", "p2", "p4", "p3" } do statute:create("parcel", id, {}) end
    statute:create("employee", "kim", { roles = { "clerk" } })
    statute:create("employee", "lee", {})
  end)
  teardown(function() statute:stop() end)

  local function search(what, body)
    local answer, names = http.expect(statute.client:post("/access/v1/search/" .. what, body), 200), {}
    for i, result in ipairs(answer.results) do names[i] = result.id or result.name end
    return names, answer
  end
  local ANN = { type = "user", id = "ann" }

  it("are searched as one, whatever the size of a page, and nothing comes twice", function()
    for limit = 1, 6 do
      local found, token = {}, nil
      repeat
        local names, answer = search("resource", { subject = ANN, action = { name = "read" }, resource = { type = "parcel" },
          page = { limit = limit, token = token } })
        table.move(names, 1, #names, #found + 1, found)
        token = answer.page.next_token
      until token == ""
      assert.same({ "p1", "p2", "p3", "p5", "p4" }, found)
    end
  end)

  it("are completed with what is known of them", function()
    assert.same({ "kim" }, search("subject", { subject = { type = "employee" }, action = { name = "send" }, resource = { type = "parcel", id = "p4" } }))
    assert.same({ "p5", "p4" }, search("resource", { subject = ANN, action = { name = "weigh" }, resource = { type = "parcel" } }))
    assert.same({}, search("action", { subject = { type = "employee", id = "nobody" }, resource = { type = "parcel", id = "p4" } }))
  end)

  it("have each action once: what access declares, then the machine's ways", function()
    local names, answer = search("action", { subject = { type = "employee", id = "kim" }, resource = { type = "parcel", id = "p4" } })
    assert.same({ "read", "send", "weigh", "LOST" }, names)
    assert.same({ name = "LOST", properties = { to = "LOST" } }, answer.results[4])
    assert.same({ "weigh", "LOST" }, search("action", { subject = { type = "employee", id = "lee" }, resource = { type = "parcel", id = "p4" } }))
  end)
end)

-- `memo` says who may read and update; `note` says nothing of either; of `file` an access answers; `clip` has a verb of that name.
local OWNED = [[
local function is_own(actor, data) return actor.id == data.owner, "Not yours" end
return {
  machine "memo" {
    initial = "DRAFT",
    read   = { permit = any { "memo.read", is_own }, deny = function(actor, data) return data.sealed == true and actor.id ~= data.owner, "It is sealed" end },
    update = { permit = "memo.edit", guard = function(data) return #(data.text or "") < 10, "Too long" end },
    fields = { owner = { type = "string", immutable = true }, text = "string" },
    states = { DRAFT = { to = { SENT = { name = "send", permit = "memo.send" } } },
               SENT  = { update = { permit = "memo.correct" } } },
  },
  machine "note" { initial = "A", states = { A = { to = { B = true } }, B = { final = true } } },
  machine "late" { initial = "A", states = { A = { to = { B = true } }, B = { update = { permit = "late.edit" } } } },
  machine "file" { initial = "A", read = { permit = "file.read" }, update = { permit = "file.edit" }, states = { A = {} } },
  access  "file" { actions = { read = "file.peek", ["*"] = "file.admin" } },
  machine "clip" { initial = "A", read = { permit = "clip.read" }, states = { A = { to = { B = { name = "read", permit = "clip.take" } } }, B = {} } },
}
]]

describe("read and update of a machine's entity", function()
  local statute
  setup(function()
    statute = server.start { policies = { ["owned.lua"] = OWNED } }
    statute:create("memo", "m1", { owner = "ann" })
    statute:create("memo", "m2", { owner = "bob", sealed = true })
    statute:create("memo", "m3", { owner = "bob" })
    statute:create("note", "n", {})
    statute:create("late", "l", {})
    statute:create("file", "f", {})
    statute:create("clip", "c", {})
    http.expect(statute.client:post("/v1/entities/memo/m3/transitions", { to = "SENT", actor = { id = "x", permissions = { "memo.send" } } }), 200)
  end)
  teardown(function() statute:stop() end)

  local function subject(id, ...) return { type = "user", id = id, properties = { permissions = { ... } } } end
  local function ask(who, action, type, id, properties)
    return http.expect(statute.client:post("/access/v1/evaluation", { subject = who, action = { name = action, properties = properties },
      resource = { type = type, id = id } }), 200)
  end
  local function search(what, body)
    local answer, names = http.expect(statute.client:post("/access/v1/search/" .. what, body), 200), {}
    for i, result in ipairs(answer.results) do names[i] = result.id or result.name end
    return names
  end

  it("is what GET and PATCH say, for everybody and everything", function()
    for _, id in ipairs { "m1", "m2", "m3" } do
      for _, who in ipairs { { "ann" }, { "bob" }, { "eve" }, { "eve", "memo.read" }, { "eve", "memo.edit" }, { "eve", "memo.correct" } } do
        local read = statute.client:get(("/v1/entities/memo/%s?actor=%s&permissions=%s"):format(id, who[1], who[2] or "none"))
        assert.equal(read.status == 200, ask(subject(table.unpack(who)), "read", "memo", id).decision)
        local changed = statute.client:request("PATCH", "/v1/entities/memo/" .. id, { data = {}, actor = { id = who[1], permissions = { who[2] } } })
        assert.equal(changed.status == 200, ask(subject(table.unpack(who)), "update", "memo", id).decision)
      end
    end
  end)

  it("a denial says why, as the machine does", function()
    local context = ask(subject "eve", "read", "memo", "m1").context
    assert.same({ "permission_denied", { "memo.read" } }, { context.code, context.missing_permissions })
    assert.truthy(context.reason:find("Not yours", 1, true))
    assert.equal("read.deny", ask(subject("eve", "memo.read"), "read", "memo", "m2").context.denied_by)
    assert.same({ "memo.correct" }, ask(subject("eve", "memo.edit"), "update", "memo", "m3").context.missing_permissions)
    assert.equal("entity_not_found", ask(subject "ann", "read", "memo", "none").context.code)
  end)

  it("update asks about the data that the action brings, and changes nothing", function()
    local editor = subject("eve", "memo.edit")
    assert.is_true(ask(editor, "update", "memo", "m1", { data = { text = "short" } }).decision)
    local context = ask(editor, "update", "memo", "m1", { data = { text = "much too long" } }).context
    assert.same({ "guard_rejected", "Too long" }, { context.code, context.reason })
    assert.equal("validation_failed", ask(editor, "update", "memo", "m1", { data = { owner = "eve" } }).context.code)
    local memo = http.expect(statute.client:get "/v1/entities/memo/m1?actor=ann", 200)
    assert.same({ 1, "ann" }, { memo.version, memo.data.owner })
    assert.is_nil(memo.data.text)
  end)

  it("comes in many evaluations and in searches", function()
    local answer = http.expect(statute.client:post("/access/v1/evaluations", { subject = subject("bob", "memo.correct"), action = { name = "read" },
      evaluations = { { resource = { type = "memo", id = "m1" } }, { resource = { type = "memo", id = "m2" } },
                      { resource = { type = "memo", id = "m3" }, action = { name = "update" } } } }), 200)
    assert.same({ false, true, true }, { answer.evaluations[1].decision, answer.evaluations[2].decision, answer.evaluations[3].decision })
    local memos = { type = "memo" }
    assert.same({ "m2", "m3" }, search("resource", { subject = subject "bob", action = { name = "read" }, resource = memos }))
    assert.same({ "m1", "m3" }, search("resource", { subject = subject("eve", "memo.read"), action = { name = "read" }, resource = memos }))
    assert.same({ "m1", "m2" }, search("resource", { subject = subject("eve", "memo.edit"), action = { name = "update" }, resource = memos }))
    assert.same({ "read", "update", "send" }, search("action", { subject = subject("ann", "memo.*"), resource = { type = "memo", id = "m1" } }))
    assert.same({ "read" }, search("action", { subject = subject("eve", "memo.read"), resource = { type = "memo", id = "m1" } }))
    assert.same({}, search("action", { subject = subject "eve", resource = { type = "memo", id = "m1" } }))
    assert.same({ "update" }, search("action", { subject = subject("eve", "memo.edit"),
      resource = { type = "memo", id = "m1" }, page = { limit = 1 } }))
  end)

  it("a machine that says nothing of them denies them, and finds none", function()
    for _, action in ipairs { "read", "update" } do
      assert.is_false(ask(subject("ann", "*"), action, "note", "n").decision)
    end
    assert.same({ "B" }, search("action", { subject = subject("ann", "*"), resource = { type = "note", id = "n" } }))
  end)

  it("a state's own update makes it an action in every state, as PATCH has it", function()
    assert.is_true(ask(subject "eve", "update", "late", "l").decision)
    http.expect(statute.client:post("/v1/entities/late/l/transitions", { to = "B" }), 200)
    assert.is_false(ask(subject "eve", "update", "late", "l").decision)
    assert.is_true(ask(subject("eve", "late.edit"), "update", "late", "l").decision)
  end)

  it("an access that names them answers for them; its \"*\" leaves them to the machine", function()
    assert.is_true(ask(subject("eve", "file.peek"), "read", "file", "f").decision)
    assert.is_false(ask(subject("eve", "file.read"), "read", "file", "f").decision)
    assert.is_true(ask(subject("eve", "file.edit"), "update", "file", "f").decision)
    assert.is_false(ask(subject("eve", "file.admin"), "update", "file", "f").decision)
    assert.is_true(ask(subject("eve", "file.admin"), "shred", "file", "f").decision)
    assert.same({ "read", "update" }, search("action", { subject = subject("eve", "file.*"), resource = { type = "file", id = "f" } }))
  end)

  it("a verb of that name is the verb", function()
    assert.is_true(ask(subject("eve", "clip.take"), "read", "clip", "c").decision)
    assert.is_false(ask(subject("eve", "clip.read"), "read", "clip", "c").decision)
    assert.same({ "read" }, search("action", { subject = subject("eve", "clip.*"), resource = { type = "clip", id = "c" } }))
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
