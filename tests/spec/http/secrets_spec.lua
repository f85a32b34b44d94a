-- Secrets are planted in everything that can be sent, and then looked for in everything that is written or answered.
local eventually = require "tests.support.eventually"
local http     = require "tests.support.http"
local json     = require "tests.support.json"
local policies = require "tests.support.policies"
local server   = require "tests.support.server"

local PII = [[
return {
  pii {
    drop   = { "password", "client.card.cvc", "contacts.*.pin", "**.note.private" },
    mask   = { phone = "last4", email = "domain" },
    hash   = { "employee_code" },
    redact = { "email", "card", "ssn", "iban" },
  },
  pii { machines = { "box" }, drop = { "locker", "site.*.door" }, hash = { "badge.number" } },
}
]]

local BOX = [[
local function quoting(data, ctx)
  local meta = ctx.metadata or {}
  return ("%s %s %s %s %s"):format(tostring(meta.password), tostring(meta.employee_code), tostring(meta.text), tostring(data.password),
    tostring(ctx.comments))
end
local function events(data, ctx)
  return { emit = { { type = "box.moved", data = { metadata = ctx.metadata, comments = ctx.comments, password = data.password,
                                                   deep = { data = data, actor = ctx.actor.attributes } } } },
           create = { { machine = "lid", data = { title = "lid" } } },
           follow = { { machine = "lid", id = "l1", to = "B", comments = ctx.comments, metadata = ctx.metadata } } }
end
return {
  machine "box" {
    initial = "A",
    validate = function(data, ctx) if data.bad then return { password = "wrong: " .. quoting(data, ctx), ["x@" .. "field.example"] = "no" } end end,
    warn = function(data, ctx) return "mind " .. quoting(data, ctx) end,
    states = { A = { to = { B = { effect = events }, C = { guard = function(data, ctx) return false, "refused: " .. quoting(data, ctx) end },
                            D = { guard = function(data, ctx) error("broken: " .. quoting(data, ctx)) end } } },
               B = { to = { A = true } }, C = {}, D = {} },
  },
  machine "gate" { initial = "A", states = { B = {}, A = { to = { B = { permit = function(actor, data)
    error("gate: " .. tostring(data.password) .. " " .. tostring(actor.attributes.password)) end } } } } },
  access "record" { actions = {
    read  = function(subject, resource, ctx) return false, "no " .. subject.properties.password .. resource.properties.password .. ctx.context.password end,
    write = function(subject, resource, ctx) error("no " .. resource.properties.password .. " " .. ctx.action.properties.text) end,
    sign  = "record.sign" } },
  machine "lid" { initial = "A", states = { A = { to = { B = true } }, B = { to = { B = true } } } },
}
]]

-- --- what is planted ---

local count, secrets = 0, {}

-- `form` has the number of the plant in it, in place of #; `part` of it is what must be nowhere.
local function plant(form, part)
  count = count + 1
  local number = ("%04d"):format(count)
  secrets[#secrets + 1] = (part or form):gsub("#", number)
  return (form:gsub("#", number))
end

local function luhn(digits)
  local sum = 0
  for i = 1, #digits do
    local digit = tonumber(digits:sub(i, i))
    if (#digits - i) % 2 == 0 then
      digit = digit * 2
      if digit > 9 then digit = digit - 9 end
    end
    sum = sum + digit
  end
  return digits .. (10 - sum % 10) % 10
end

local function card()
  count = count + 1
  local number = luhn(("45390148%07d"):format(count * 7919 % 10000000))
  secrets[#secrets + 1] = number:sub(1, 15)
  return number
end

local function grouped(number) return number:gsub("%d%d%d%d", "%0 "):sub(1, -2) end

local function text()
  local spaced = grouped(card())
  secrets[#secrets + 1] = spaced:sub(1, 14)
  return ("write to %s, pay with %s or %s, social %s"):format(plant "free#@mail.example", card(), spaced, plant "219-09-#")
end

local function metadata()
  return {
    password = plant "drop-#-top", employee_code = plant "staff-#", phone = plant("+49 170 88#1234", "88#"), email = plant("mask#@firm.example", "mask#"),
    text = text(), number = math.tointeger(tonumber(card())), [plant "key#@mail.example"] = 1,
    client = { card = { cvc = plant "path-#-cvc" }, PASSWORD = { plant "drop-#-nested", { more = plant "drop-#-more" } } },
    contacts = { { pin = plant "path-#-pin", deep = { note = { Private = plant "path-#-note", public = "public" } } } },
    locker = plant "own-#-locker", site = { north = { door = plant "own-#-door" } }, badge = { number = plant "own-#-badge" },
  }
end

local function actor()
  return { id = "ann", roles = { "r" }, attributes = { password = plant "drop-#-actor", employee_code = plant "staff-#-actor", mail = plant "actor#@mail.example" } }
end

local function request(to)
  return { to = to, comments = text(), metadata = metadata(), actor = actor(), data = { password = plant "drop-#-data", title = "business" } }
end

-- --- where it is looked for ---

local function reports(where, bytes)
  for _, secret in ipairs(secrets) do
    local at = bytes:find(secret, 1, true)
    if at then error(("%s has %q: ...%s..."):format(where, secret, bytes:sub(math.max(at - 200, 1), at + 60)), 2) end
  end
end

describe("secrets", function()
  local statute, said, keys

  -- What an entity's data are is the entity's: answers about it have them, and so have answers kept with a key.
  local function without_data(answer)
    local body = answer.json
    if type(body) ~= "table" then return answer.body end
    body.data = nil
    return json.encode(body)
  end

  local function ask(method, path, body, headers)
    local answer = statute.client:request(method, path, body and json.encode(body), headers)
    assert.is_truthy(answer.status, answer.error)
    said[#said + 1] = ("%d %s"):format(answer.status, without_data(answer))
    return answer
  end

  local function send_everything()
    for i = 1, 3 do
      ask("POST", "/v1/entities/box", { id = "b" .. i, data = { password = plant "drop-#-data" }, comments = text(), metadata = metadata(), actor = actor() })
    end
    http.expect(ask("POST", "/v1/entities/lid", { id = "l1" }), 201)
    http.expect(ask("POST", "/v1/entities/box/b1/transitions", request "B"), 200)
    http.expect(ask("POST", "/v1/entities/box/b2/transitions", request "C"), 422, "guard_rejected")
    http.expect(ask("POST", "/v1/entities/box/b2/transitions", request "D"), 500, "policy_error")
    local dry = request "C"
    dry.options = { dry_run = true }
    http.expect(ask("POST", "/v1/entities/box/b2/transitions", dry), 422)
    local bad = request "B"
    bad.data.bad = true
    http.expect(ask("POST", "/v1/entities/box/b2/transitions", bad), 422, "validation_failed")
    http.expect(ask("PATCH", "/v1/entities/box/b2", { data = { password = plant "drop-#-patch" }, comments = text(), metadata = metadata() }), 200)
    for _, to in ipairs { "C", "B" } do
      local key = { ["Idempotency-Key"] = "key-" .. to }
      local twice = request(to)
      ask("POST", "/v1/entities/box/b3/transitions", twice, key)
      assert.equal("true", ask("POST", "/v1/entities/box/b3/transitions", twice, key).headers["idempotency-replayed"])
    end
  end

  local function send_questions()
    local path = "/v1/entities/gate/g1/transitions"
    http.expect(ask("POST", "/v1/entities/gate", { id = "g1", data = { password = plant "drop-#-data" } }), 201)
    http.expect(ask("POST", path .. "?explain=true", { to = "B", actor = actor() }), 500, "policy_error")
    http.expect(ask("GET", path .. "?actor=" .. http.escape(json.encode(actor()))), 200)
    for _, action in ipairs { "read", "write", "sign" } do
      local question = { subject = { type = "user", id = plant "subject#@mail.example", properties = metadata() },
                         resource = { type = "record", id = "1", properties = metadata() },
                         action = { name = action, properties = metadata() }, context = metadata() }
      ask("POST", "/access/v1/evaluation", question)
      question.evaluations = { {}, { action = { name = "nothing" } }, { resource = { type = "box", id = plant "no#@mail.example" } } }
      http.expect(ask("POST", "/access/v1/evaluations", question), 200)
    end
  end

  local function send_batches()
    for _, to in ipairs { "C", "A", "B" } do
      for _, mode in ipairs { "atomic", "sequential" } do
        http.expect(ask("POST", "/v1/batches", { machine = "box", ids = { "b1", "b2", "none" }, to = to, mode = mode, comments = text(),
                                                 metadata = metadata(), actor = actor() }), 200)
      end
    end
    ask("POST", "/v1/batches", { machine = "box", ids = { "b1" }, to = "C", dry_run = true, comments = text(), metadata = metadata(), actor = actor() })
  end

  local function send_nonsense()
    ask("POST", "/v1/entities/box/b1/transitions", { to = "B", reason = plant "reason#@mail.example" })
    ask("POST", "/v1/entities/box/b1/transitions", { to = "B", [plant "member#@mail.example"] = 1 })
    ask("POST", "/v1/entities/box/b1/transitions", { to = plant "state#@mail.example" })
    ask("POST", "/v1/entities/box/b1/transitions", { transition = plant "verb#@mail.example" })
    ask("POST", "/v1/entities/" .. plant "machine#@mail.example", {})
    ask("GET", "/v1/audit?" .. http.escape(plant "name#@mail.example") .. "=1")
    ask("GET", "/v1/audit?since=" .. http.escape(plant "since#@mail.example"))
    ask("GET", "/v1/audit?actor=" .. http.escape(plant "who#@mail.example"))
    ask("GET", "/" .. plant "path#@mail.example")
    ask("POST", "/v1/entities/box/b1/transitions?mail=" .. plant "query#@mail.example", request "C", { ["Idempotency-Key"] = "key-q" })
    ask("POST", "/v1/sanitize", { metadata = metadata(), comments = text(), machine = "box" })
    said[#said + 1] = statute.client:request("POST", "/v1/entities/box", '{"comments": "' .. text() .. '", nonsense').body
  end

  setup(function()
    said = {}
    local directory = policies.temporary()
    keys = directory .. "/keys"
    policies.write_file(keys, "k1 0123456789abcdef-first\n")
    statute = server.start { policies = { ["pii.lua"] = PII, ["box.lua"] = BOX }, directory = directory,
                             arguments = { "--pii-keys", keys, "--log-level", "debug" } }
    send_everything()
    send_questions()
    send_batches()
    send_nonsense()
  end)
  teardown(function() statute:stop() end)

  it("were planted in many places", function() assert.is_true(#secrets > 400) end)

  it("are in no answer but the entity's own", function()
    for _, answer in ipairs(said) do reports("an answer", answer) end
  end)

  it("leave what is not personal where it was", function()
    local history = table.concat(said) .. json.encode(statute:history("box", "b1"))
    for _, kept in ipairs { "public", "****1234", "***@firm.example", "[email]", "[card]", "[ssn]", "k1:" } do
      assert.truthy(history:find(kept, 1, true), kept)
    end
    local refusal = table.concat(said, "\n"):match "refused: ([^\"]+)"
    assert.equal("[hidden] [hidden] write to [email], pay with [card] or [card], social [ssn] [hidden] write to [email]", refusal:match "^.-%[email%].-%[email%]")
  end)

  it("are in no answer to a GET", function()
    local paths = { "/v1/entities/box/b1/history?limit=100", "/v1/entities/box/b2/history?limit=100", "/v1/entities/box/b3/history", "/v1/entities/lid/l1/history",
                    "/v1/entities/box/b1/transitions", "/v1/audit?limit=1000", "/v1/audit?success=false", "/v1/batches", "/v1/machines",
                    "/v1/machines/box", "/v1/machines/box/diagram.svg", "/v1/policies", "/v1/tokens", "/metrics", "/version", "/readyz", "/openapi.json" }
    for _, batch in ipairs(statute.client:get("/v1/batches").json.items) do paths[#paths + 1] = "/v1/batches/" .. batch.id end
    assert.is_true(#paths > 20)
    for _, path in ipairs(paths) do
      local answer = statute.client:get(path)
      assert.equal(200, answer.status, path)
      reports("GET " .. path, answer.body)
    end
  end)

  it("are not in the log", function() reports("the log", statute:log()) end)

  it("are in no table but those of entities", function()
    for table_name, columns in pairs { audit = "json, actor, reason, from_state, to_state", outbox = "json, type", bulk = "request", bulk_error = "message, code",
                                       policy_source = "files", answer = "scope, key, headers", deadline = "*" } do
      local lines = server.sql(statute.store, ("SELECT %s FROM %s;"):format(columns, table_name))
      assert.is_true(#lines > 0 or table_name == "deadline", table_name)
      reports(table_name, table.concat(lines, "\n"))
    end
    for _, line in ipairs(server.sql(statute.store, "SELECT body FROM answer;")) do reports("a kept answer", without_data { json = json.decode(line), body = line }) end
  end)

  it("are in no file of the store but for what entities are", function()
    local files = server.stored(statute.store)
    local data = {}
    for _, secret in ipairs(secrets) do
      if secret:find("-data$") or secret:find("-patch$") then
        data[#data + 1] = secret
      else
        local at = files:find(secret, 1, true)
        assert.is_nil(at, at and files:sub(at - 200, at + 60))
      end
    end
    assert.is_true(#data > 0)
  end)

  it("are an entity's own data where they are data", function()
    local all = server.stored(statute.store)
    local data = statute:read("box", "b1").json.data.password
    assert.truthy(data:find "^drop%-%d+%-data$")
    assert.truthy(all:find(data, 1, true))
  end)

  it("are not in what the command line shows of the audit", function()
    for _, command in ipairs { "list", "export" } do
      local status, out, err = server.statute { "audit", command, "--store", statute.store }
      assert.equal(0, status, err)
      assert.truthy(out:find("box", 1, true))
      reports("statute audit " .. command, out)
    end
  end)

  it("are not in what statute eval says that would be sent or told", function()
    for _, to in ipairs { "B", "C", "D" } do
      local asked = { machine = "box", state = "A", id = "b1", to = to, data = { password = plant "drop-#-data" }, comments = text(), metadata = metadata(), actor = actor() }
      local _, out, err = server.statute({ "eval", "--policies", statute.policy_directory, "-" }, json.encode(asked))
      local answer = assert(json.decode(out), err)
      assert.equal(to == "B", answer.allowed)
      reports("statute eval", json.encode { emit = answer.emit, messages = answer.messages, message = answer.message, warnings = answer.warnings })
    end
  end)

  it("are found again under each key after a rotation", function()
    local function sanitize() return http.expect(statute.client:post("/v1/sanitize", { metadata = { a = { employee_code = "E-7" } } }), 200) end
    local old = sanitize().metadata.a.employee_code
    assert.truthy(old:find "^k1:%x+$")
    policies.write_file(keys, "# rotated\nk2 fedcba9876543210-second\nk1 0123456789abcdef-first\n")
    http.expect(statute.client:post("/v1/policies/reload", {}), 200)
    local new = sanitize()
    assert.truthy(new.metadata.a.employee_code:find "^k2:%x+$")
    assert.same({ ["a.employee_code"] = { new.metadata.a.employee_code, old } }, new.hashes)
    assert.truthy(statute:log():find("pii_keys", 1, true))
  end)

  it("keep the keys in force when the file is bad, and say so without telling them", function()
    policies.write_file(keys, "k3 tooshort-secret\n")
    local problem = http.expect(statute.client:post("/v1/policies/reload", {}), 422, "policy_invalid")
    assert.truthy(json.encode(problem):find("shorter than 16 bytes", 1, true) or json.encode(problem):find("openssl", 1, true))
    assert.is_nil(json.encode(problem):find("tooshort", 1, true))
    local hash = http.expect(statute.client:post("/v1/sanitize", { metadata = { employee_code = "E-7" } }), 200).metadata.employee_code
    assert.truthy(hash:find "^k2:")
    policies.write_file(keys, "k4 fedcba9876543210-fourth\n")
    statute:signal "HUP"
    eventually(function()
      return statute.client:post("/v1/sanitize", { metadata = { employee_code = "E-7" } }).json.metadata.employee_code:find "^k4:" ~= nil
    end, 10, "the keys are read again on SIGHUP")
    local log = statute:log()
    assert.is_nil(log:find("tooshort", 1, true))
    assert.is_nil(log:find("fedcba98", 1, true))
  end)

  it("are hashed with one key or with a file of them", function()
    local status, _, err = server.statute { "serve", "--listen", "127.0.0.1:0", "--policies", statute.policy_directory, "--auth", "none",
                                            "--store", "sqlite:" .. statute.directory .. "/other.db", "--pii-key", "s", "--pii-keys", keys }
    assert.equal(2, status, err)
    assert.truthy(err:find("exclude each other", 1, true), err)
  end)
end)
