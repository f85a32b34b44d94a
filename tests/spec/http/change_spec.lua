-- What becomes of entities when the rules change.
local eventually = require "tests.support.eventually"
local http       = require "tests.support.http"
local policies   = require "tests.support.policies"
local server     = require "tests.support.server"

local LAMP = [[
return machine "lamp" { initial = "OFF", fields = { watts = "integer" },
  states = { OFF = { to = { ON = { name = "switch_on" } } }, ON = { to = { OFF = true, BROKEN = true } }, BROKEN = { final = true } } }
]]

local FAN = [[ return machine "fan" { initial = "STILL", states = { STILL = { to = { TURNING = true } }, TURNING = {} } } ]]

describe("a change of rules", function()
  local statute

  local function start(files, arguments, more)
    local options = { policies = files, arguments = arguments }
    for key, value in pairs(more or {}) do options[key] = value end
    statute = server.start(options)
  end
  after_each(function() if statute and statute.pid then statute:stop() end end)

  local function reload(body) return statute.client:post("/v1/policies/reload", body) end
  local function listed() return http.expect(statute.client:get("/v1/policies"), 200) end
  local function metric(name) return statute.client:get("/metrics").body:match("\n" .. name .. " ([^\n]+)") end

  describe("that says nothing", function()
    it("is refused when the directory was emptied, and told", function()
      start { ["lamp.lua"] = LAMP, ["roles.lua"] = 'return roles { admin = { "*" } }' }
      local before = listed().generation
      statute:remove_policy("lamp.lua")
      local problem = http.expect(reload(), 422, "policy_invalid")
      assert.truthy(problem.problems[1].message:find("--allow-empty", 1, true))
      assert.equal(0, problem.problems[1].line)
      assert.equal(before, listed().generation)
      http.expect(reload { force = true }, 422, "policy_invalid")
      http.expect(statute.client:get("/v1/machines/lamp"), 200)
      statute:signal("HUP")
      eventually(function() return select(2, statute:log():gsub("policy_refused", "")) >= 3 end, 10, "SIGHUP is refused, too")
      assert.equal(before, listed().generation)
    end)

    it("is taken with --allow-empty", function()
      start({ ["lamp.lua"] = LAMP }, { "--allow-empty" })
      statute:remove_policy("lamp.lua")
      assert.equal(0, http.expect(reload(), 200).machines)
    end)

    it("does not let a server start, unless it is allowed to", function()
      local directory = policies.temporary()
      local folder = policies.write({ ["roles.lua"] = 'return roles { admin = { "*" } }' }, directory .. "/policies")
      local words = { "serve", "--listen", "127.0.0.1:0", "--policies", folder, "--auth", "none", "--store", "sqlite:" .. directory .. "/x.db" }
      local status, _, err = server.statute(words)
      assert.not_equal(0, status)
      assert.truthy(err:find("--allow-empty", 1, true), err)
      policies.remove(directory)
    end)
  end)

  describe("that takes a machine away", function()
    it("is refused while it has entities, unless the reload says force", function()
      start { ["lamp.lua"] = LAMP, ["more/fan.lua"] = FAN }
      for _, id in ipairs { "a", "b" } do statute:create("fan", id, {}) end
      http.expect(statute:move("fan", "b", "TURNING"), 200)
      local before = listed().generation
      statute:remove_policy("more/fan.lua")
      local problem = http.expect(reload(), 422, "policy_invalid").problems[1]
      assert.equal("more/fan.lua", problem.file)
      assert.truthy(problem.message:find("'fan'", 1, true))
      assert.truthy(problem.message:find("renamed_from", 1, true))
      assert.equal(before, listed().generation)
      http.expect(statute:read("fan", "a"), 200)
      http.expect(reload { force = "yes" }, 400, "bad_request")
      http.expect(reload { forse = true }, 400, "bad_request")
      statute:signal("HUP")
      eventually(function() return select(2, statute:log():gsub("policy_refused", "")) >= 2 end, 10, "SIGHUP never forces")
      assert.equal(before, listed().generation)

      local warnings = http.expect(reload { force = true }, 200).warnings
      assert.equal(2, #warnings)
      assert.equal("fan", warnings[1].machine)
      assert.equal("STILL", warnings[1].state)
      assert.equal(1, warnings[1].entities)
      assert.truthy(warnings[1].suggestion:find('renamed_from = "fan"', 1, true))
      assert.equal("TURNING", warnings[2].state)
      assert.same(warnings, listed().warnings)
      assert.equal("1", metric('statute_policy_stranded_entities{machine="fan",state="TURNING"}'))
      assert.truthy(statute:log():find("policy_stranded", 1, true))
      http.expect(reload(), 200)

      -- what was agreed to is known at the next start
      statute:stop(true)
      statute:restart()
      eventually(function() return #listed().warnings == 2 end, 10, "the warnings are there again")
      -- and forgotten when the machine comes back
      statute:write_policy("more/fan.lua", FAN)
      assert.same({}, http.expect(reload(), 200).warnings)
      http.expect(statute:read("fan", "a"), 200)
      statute:remove_policy("more/fan.lua")
      http.expect(reload(), 422, "policy_invalid")
    end)

    it("is fine when it has none", function()
      start { ["lamp.lua"] = LAMP, ["fan.lua"] = FAN }
      statute:remove_policy("fan.lua")
      http.expect(reload(), 200)
    end)

    it("is refused at a start, but for --allow-missing, once", function()
      start { ["lamp.lua"] = LAMP, ["fan.lua"] = FAN }
      statute:create("fan", "a", {})
      statute:stop(true)
      statute:remove_policy("fan.lua")
      local words = { "serve", "--listen", "127.0.0.1:0", "--policies", statute.policy_directory, "--auth", "none", "--store", statute.store }
      local status, _, err = server.statute(words)
      assert.not_equal(0, status)
      assert.truthy(err:find("--allow-missing", 1, true), err)
      statute.options.arguments = { "--allow-missing" }
      statute:restart()
      eventually(function() return #listed().warnings == 1 end, 10, "it is told")
      eventually(function() return server.sql(statute.store, "SELECT machine FROM machine_gone")[1] == "fan" end, 10, "it is remembered")
      statute:stop(true)
      statute.options.arguments = nil
      statute:restart()
      http.expect(statute.client:get("/v1/machines/lamp"), 200)
    end)
  end)

  it("that takes a state away warns by machine, state and count, in answer, list, log and metrics", function()
    start { ["lamp.lua"] = LAMP }
    for i = 1, 3 do statute:create("lamp", "l" .. i, {}) end
    for i = 1, 2 do http.expect(statute:move("lamp", "l" .. i, "ON"), 200) end
    statute:write_policy("lamp.lua", (LAMP:gsub("%f[%w]ON%f[%W]", "SHINING")))
    local warnings = http.expect(reload(), 200).warnings
    assert.equal(1, #warnings)
    assert.equal("lamp", warnings[1].machine)
    assert.equal("ON", warnings[1].state)
    assert.equal(2, warnings[1].entities)
    assert.truthy(warnings[1].suggestion:find('renamed_from = "ON"', 1, true))
    assert.same(warnings, listed().warnings)
    assert.equal("2", metric('statute_policy_stranded_entities{machine="lamp",state="ON"}'))
    assert.truthy(statute:log():find("policy_stranded", 1, true))
    statute:write_policy("lamp.lua", LAMP)
    assert.same({}, http.expect(reload(), 200).warnings)
  end)

  it("that is broken on disk is visible: in the list, in readyz, as a gauge", function()
    start({ ["lamp.lua"] = LAMP }, { "--reload-settle", "100ms" })
    local before = listed()
    assert.equal(before.generation, before.on_disk.generation)
    assert.same({}, before.on_disk.problems)
    assert.equal("0", metric "statute_policy_disk_problems")
    assert.is_nil(http.expect(statute.client:get("/readyz"), 200).detail)
    statute:write_policy("broken.lua", "-- one\nlocal x = = 3\n")
    eventually(function() return #listed().on_disk.problems == 1 end, 10, "it is noticed by itself")
    local now = listed()
    assert.equal(before.generation, now.generation)
    assert.not_equal(before.generation, now.on_disk.generation)
    assert.equal("broken.lua", now.on_disk.problems[1].file)
    assert.equal(2, now.on_disk.problems[1].line)
    assert.is_string(now.on_disk.problems[1].message)
    assert.equal("1", metric "statute_policy_disk_problems")
    local ready = http.expect(statute.client:get("/readyz"), 200)
    assert.truthy(ready.detail:find("broken.lua:2", 1, true), ready.detail)
    statute:remove_policy("broken.lua")
    eventually(function() return #listed().on_disk.problems == 0 end, 10, "it is mended")
    assert.equal(before.generation, listed().on_disk.generation)
    assert.is_nil(http.expect(statute.client:get("/readyz"), 200).detail)
  end)

  it("is listed with who published it, when, and which files changed", function()
    start { ["lamp.lua"] = LAMP }
    statute:write_policy("fan.lua", FAN)
    statute:write_policy("lamp.lua", LAMP .. "-- changed\n")
    http.expect(reload(), 200)
    local generations = listed().generations
    assert.equal("start", generations[1].by)
    assert.equal("anonymous", generations[2].by)
    assert.same({ "fan.lua", "lamp.lua" }, generations[2].files_changed)
    assert.truthy(generations[2].published_at:match("Z$"))
    assert.is_true(generations[2].current)
    assert.is_false(generations[1].current)
    assert.equal(listed().generation, generations[2].generation)
  end)

  it("of six files, 0.4 s apart, is one generation", function()
    start { ["lamp.lua"] = LAMP }
    for i = 1, 6 do
      statute:write_policy(("fan%d.lua"):format(i), (FAN:gsub("fan", "fan" .. i)))
      os.execute("sleep 0.4")
    end
    eventually(function() return listed().machines == 7 end, 10, "all are loaded")
    assert.equal(2, #listed().generations)
    assert.equal("watch", listed().generations[2].by)
  end)

  it("waits for SIGHUP or a request with --watch off", function()
    start({ ["lamp.lua"] = LAMP }, { "--watch", "off", "--reload-settle", "0s" })
    statute:write_policy("fan.lua", FAN)
    os.execute("sleep 1")
    http.expect(statute.client:get("/v1/machines/fan"), 404)
    statute:signal("HUP")
    eventually(function() return statute.client:get("/v1/machines/fan").status == 200 end, 10, "SIGHUP loads")
    assert.equal("SIGHUP", listed().generations[2].by)
  end)

  it("is followed as Kubernetes mounts a ConfigMap", function()
    local directory = policies.temporary()
    local folder = directory .. "/policies"
    local function version(name, text)
      policies.write({ ["lamp.lua"] = 'local word = require "lib.word"\n' .. LAMP:gsub('initial', 'doc = word, initial'), ["lib/word.lua"] = text },
        folder .. "/.." .. name)
      os.execute(("ln -sfn ..%s %s/..data_tmp && mv -T %s/..data_tmp %s/..data"):format(name, folder, folder, folder))
    end
    version("2025_11_24_1", 'return "first"')
    os.execute(("cd %s && ln -s ..data/lamp.lua lamp.lua && ln -s ..data/lib lib"):format(folder))
    start(folder, nil, { directory = directory })
    assert.equal("first", http.expect(statute.client:get("/v1/machines/lamp"), 200).doc)
    version("2025_11_24_2", 'return "second"')
    os.execute(("rm -rf %s/..2025_11_24_1"):format(folder))
    eventually(function() return statute.client:get("/v1/machines/lamp").json.doc == "second" end, 10, "the swap is loaded")
    assert.same({}, listed().on_disk.problems)
    os.execute(("ln -s /etc %s/out"):format(folder))
    assert.equal("out", http.expect(reload(), 422, "policy_invalid").problems[1].file)
  end)

  describe("that adds a field with a default", function()
    it("holds for entities of before: they can be read, moved, counted and found", function()
      start { ["lamp.lua"] = LAMP }
      for i = 1, 3 do statute:create("lamp", "l" .. i, {}) end
      statute:write_policy("lamp.lua", [[
return machine "lamp" { initial = "OFF",
  fields = { watts = "integer", room = { type = "string", required = true, default = "hall", enum = { "hall", "attic" } } },
  states = { OFF = { to = { ON = { guard = {
      function(lamp) return lamp.room == "hall", "room " .. tostring(lamp.room) end,
      function(_, ctx) return ctx:find("lamp", "l2").data.room == "hall", "find" end,
      function(_, ctx) return ctx:count { where = { room = "hall" } } == 3, "count " .. ctx:count { where = { room = "hall" } } end,
      function(_, ctx) return ctx:count { where = { room = "attic" } } == 0, "attic" end } } } }, ON = {} } }
]])
      http.expect(reload(), 200)
      local entity = http.expect(statute:read("lamp", "l1"), 200)
      assert.equal("hall", entity.data.room)
      assert.equal(1, entity.version)
      assert.equal("hall", http.expect(statute.client:get("/v1/entities/lamp"), 200).items[2].data.room)
      local moved = http.expect(statute:move("lamp", "l1", "ON"), 200)
      assert.equal("hall", moved.data.room)
      http.expect(statute.client:request("PATCH", "/v1/entities/lamp/l2", { data = { watts = 5 } }), 200)
      assert.equal("hall", http.expect(statute:read("lamp", "l2"), 200).data.room)
      http.expect(statute.client:request("PATCH", "/v1/entities/lamp/l3", { data = { room = "cellar" } }), 422, "validation_failed")
      local batch = http.expect(statute.client:post("/v1/batches", { machine = "lamp", where = { data = { room = "hall" }, state = "OFF" }, to = "ON" }), 200)
      assert.equal(2, batch.total)
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
    end)
  end)

  describe("that renames", function()
    local SHINING = [[
return machine "lamp" { initial = "OFF", fields = { watts = "integer" },
  states = { OFF = { to = { SHINING = { name = "switch_on" } } },
             SHINING = { renamed_from = "ON", to = { OFF = true, BROKEN = { guard = function(_, ctx)
               return ctx.from == "SHINING" and ctx:count { state = "SHINING" } >= 1, tostring(ctx.from) end } } },
             BROKEN = { final = true } } }
]]

    it("a state takes its entities along, and history keeps its words", function()
      start({ ["lamp.lua"] = LAMP }, { "--watch", "off" })
      for i = 1, 450 do statute:create("lamp", "l" .. i, {}) end
      for i = 1, 430 do http.expect(statute:move("lamp", "l" .. i, "ON"), 200) end
      local updated = http.expect(statute:read("lamp", "l1"), 200).updated_at
      statute:write_policy("lamp.lua", SHINING)
      assert.same({}, http.expect(reload(), 200).warnings)
      -- at once, wherever the walk is
      assert.equal("SHINING", http.expect(statute:read("lamp", "l430"), 200).state)
      http.expect(statute:move("lamp", "l429", "BROKEN"), 200)
      http.expect(statute:move("lamp", "l428", { to = "OFF", options = { if_version = 2 } }), 200)
      local count, cursor = 0, nil
      repeat
        local page = http.expect(statute.client:get("/v1/entities/lamp?state=SHINING&limit=200" .. (cursor and "&cursor=" .. cursor or "")), 200)
        for _, item in ipairs(page.items) do assert.equal("SHINING", item.state) end
        count, cursor = count + #page.items, page.next_cursor
      until not cursor
      assert.equal(428, count)
      -- and in the end in the store
      eventually(function() return statute:log():find("policy_renamed", 1, true) end, 20, "the walk has ended")
      local entity = http.expect(statute:read("lamp", "l1"), 200)
      assert.equal("SHINING", entity.state)
      assert.equal(2, entity.version)
      assert.equal(updated, entity.updated_at)
      local records = statute:history("lamp", "l1")
      assert.equal("ON", records[2].to_state)
      assert.equal("rename", records[3].action)
      assert.equal("ON", records[3].from_state)
      assert.equal("SHINING", records[3].to_state)
      assert.same({ renamed_from = { state = "ON" } }, records[3].metadata)
      records = statute:history("lamp", "l429")
      assert.equal("rename", records[3].action)
      assert.equal("SHINING", records[4].from_state)
      -- without the word for it, nothing is stranded
      statute:write_policy("lamp.lua", (SHINING:gsub('renamed_from = "ON", ', "")))
      assert.same({}, http.expect(reload(), 200).warnings)
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
      if server.store_kind == "sqlite" then
        statute:stop(true)
        assert.equal(0, (server.statute { "verify", "--store", statute.store, "--policies", statute.policy_directory }))
        statute:restart()
      end
    end)

    it("a machine takes its entities, their history and their timers along", function()
      start({ ["lamp.lua"] = [[
return machine "lamp" { initial = "OFF", states = { OFF = { to = { ON = true }, }, ON = { to = { OFF = true },
  after = { { delay = "700ms", to = "OFF" } } } } } ]] }, { "--watch", "off" })
      for i = 1, 250 do statute:create("lamp", "l" .. i, { n = i }) end
      http.expect(statute:move("lamp", "l7", "ON"), 200)
      statute:remove_policy("lamp.lua")
      statute:write_policy("light.lua", [[
return machine "light" { renamed_from = "lamp", initial = "OFF", states = { OFF = { to = { ON = true } }, ON = { to = { OFF = true },
  after = { { delay = "700ms", to = "OFF" } } } } } ]])
      assert.same({}, http.expect(reload(), 200).warnings)
      assert.equal("light", http.expect(statute:read("light", "l250"), 200).machine)
      http.expect(statute:read("lamp", "l250"), 404, "unknown_machine")
      http.expect(statute:move("light", "l249", "ON"), 200)
      http.expect(statute.client:post("/v1/entities/light", { id = "l248", data = {} }), 409, "already_exists")
      local seen = {}
      local cursor
      repeat
        local page = http.expect(statute.client:get("/v1/entities/light?limit=100" .. (cursor and "&cursor=" .. cursor or "")), 200)
        for _, item in ipairs(page.items) do
          assert.equal("light", item.machine)
          assert.is_nil(seen[item.id])
          seen[item.id], seen[#seen + 1] = true, item.id
        end
        cursor = page.next_cursor
      until not cursor
      assert.equal(250, #seen)
      assert.equal("lamp", statute:history("light", "l248")[1].machine)
      eventually(function() return statute:log():find("policy_renamed", 1, true) end, 20, "the walk has ended")
      local records = statute:history("light", "l3")
      assert.equal("lamp", records[1].machine)
      assert.equal("light", records[2].machine)
      assert.equal("rename", records[2].action)
      assert.same({ renamed_from = { machine = "lamp" } }, records[2].metadata)
      eventually(function() return http.expect(statute:read("light", "l7"), 200).state == "OFF" end, 10, "its timer fires")
      local found = http.expect(statute.client:get("/v1/audit?machine=light&limit=1000"), 200).items
      local creations = 0
      for _, record in ipairs(found) do creations = creations + (record.action == "create" and record.success and 1 or 0) end
      assert.equal(250, creations)
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
      statute:stop(true)
      local status, out, err = server.statute { "verify", "--store", statute.store, "--policies", statute.policy_directory }
      assert.equal(0, status, out .. err)
      statute:restart()
      http.expect(statute:move("light", "l9", "ON"), 200)
    end)

    it("a machine keeps its indexed fields: lists find what was there, while it is renamed and after", function()
      local fields = 'fields = { room = { type = "string", index = true }, note = "string" },'
      local function source(name, more)
        return ('return machine "%s" { %s initial = "OFF", %s states = { OFF = { to = { ON = true } }, ON = {} } }'):format(name, more or "", fields)
      end
      start({ ["lamp.lua"] = source "lamp" }, { "--watch", "off" })
      for i = 1, 600 do statute:create("lamp", "l" .. i, { room = "r" .. i % 3 }) end
      local function found(machine, query)
        local count, cursor = 0, nil
        repeat
          local page = http.expect(statute.client:get(("/v1/entities/%s?limit=50&%s%s"):format(machine, query,
            cursor and "&cursor=" .. cursor or "")), 200)
          for _, item in ipairs(page.items) do assert.equal(query:match "room=(%w+)", item.data.room) end
          count, cursor = count + #page.items, page.next_cursor
        until not cursor
        return count
      end
      local function counted(machine, query)
        return http.expect(statute.client:get(("/v1/entities/%s?limit=1&count=true&%s"):format(machine, query)), 200).count
      end
      assert.same({ 200, 200 }, { found("lamp", "room=r1"), counted("lamp", "room=r1") })
      statute:remove_policy("lamp.lua")
      statute:write_policy("light.lua", source("light", 'renamed_from = "lamp",'))
      http.expect(reload(), 200)
      for _ = 1, 5 do assert.same({ 200, 200 }, { found("light", "room=r1"), counted("light", "room=r1") }) end
      http.expect(statute:move("light", "l1", { to = "ON", data = { room = "r2" } }), 200)
      assert.same({ 199, 201 }, { found("light", "room=r1"), found("light", "room=r2") })
      eventually(function() return statute:log():find("policy_renamed", 1, true) end, 20, "the walk has ended")
      http.expect(statute.client:patch("/v1/entities/light/l4", { data = { room = "r2" } }), 200)
      statute:create("light", "new", { room = "r1" })
      assert.same({ 199, 199 }, { found("light", "room=r1"), counted("light", "room=r1") })
      assert.same({ 202, 202 }, { found("light", "room=r2&order=newest"), counted("light", "room=r2") })
      -- The index of the new name is whole, and nothing is left of the old one.
      local function indexes() return server.sql(statute.store, "SELECT machine || ' ' || built_to FROM index_field ORDER BY machine;") end
      eventually(function() return table.concat(indexes(), ","):find "light %-1" end, 10, "the index is built anew")
      statute:write_policy("light.lua", source "light") -- nothing is looked for under the old name any more
      http.expect(reload(), 200)
      assert.same({ 199, 202 }, { found("light", "room=r1"), found("light", "room=r2&order=newest") })
      assert.same({ 199, 202, 200 }, { counted("light", "room=r1"), counted("light", "room=r2"), counted("light", "room=r0") })
      assert.same({ "601" }, server.sql(statute.store, "SELECT count(*) FROM index_value;"))
    end)

    it("a machine and a state do not stop a batch that was accepted before", function()
      start({ ["lamp.lua"] = LAMP }, { "--watch", "off" })
      for i = 1, 3000 do statute:create("lamp", "l" .. i, {}) end
      local answer = statute.client:post("/v1/batches", { machine = "lamp", where = { state = "OFF" }, to = "ON", mode = "sequential", wait = false })
      local id = http.expect(answer, 202).id
      statute.client:post("/v1/batches/" .. id .. "/pause")
      statute:write_policy("lamp.lua", [[
return machine "light" { renamed_from = "lamp", initial = "OFF", fields = { watts = "integer" },
  states = { OFF = { to = { SHINING = true } }, SHINING = { renamed_from = "ON" } } }
]])
      http.expect(reload(), 200)
      statute.client:post("/v1/batches/" .. id .. "/resume")
      local batch
      eventually(function()
        batch = http.expect(statute.client:get("/v1/batches/" .. id), 200)
        return batch.status == "completed"
      end, 30, "the batch ends")
      assert.equal(0, batch.failed)
      assert.equal(3000, batch.succeeded)
      assert.equal("SHINING", http.expect(statute:read("light", "l3000"), 200).state)
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
    end)

    it("goes on after the server was killed in the middle", function()
      start({ ["lamp.lua"] = LAMP }, { "--watch", "off" })
      for i = 1, 900 do statute:create("lamp", "l" .. i, {}) end
      statute:write_policy("lamp.lua", [[
return machine "light" { renamed_from = "lamp", initial = "DARK", fields = { watts = "integer" },
  states = { DARK = { renamed_from = "OFF", to = { ON = true } }, ON = {} } }
]])
      http.expect(reload(), 200)
      statute:kill9()
      statute:restart()
      eventually(function()
        return #server.sql(statute.store, server.store_kind == "sqlite" and
          "SELECT e.id FROM entity e JOIN machine m ON m.id = e.machine WHERE m.name = 'lamp'" or
          "SELECT id FROM entity WHERE machine = 'lamp'") == 0
      end, 20, "all have moved")
      eventually(function()
        return #server.sql(statute.store, server.store_kind == "sqlite" and
          "SELECT e.id FROM entity e JOIN kind k ON k.id = e.kind WHERE k.state = 'DARK'" or
          "SELECT id FROM entity WHERE state = 'DARK'") == 900
      end, 20, "all have the state's new name")
      assert.equal(2, #statute:history("light", "l900"))
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
    end)

    it("what is still there, or is two at once, is refused", function()
      start { ["lamp.lua"] = LAMP }
      statute:write_policy("lamp.lua", (LAMP:gsub("BROKEN = { final", 'BROKEN = { renamed_from = "ON", final')))
      local problem = http.expect(reload(), 422, "policy_invalid").problems[1]
      assert.truthy(problem.message:find("still declared", 1, true), problem.message)
      statute:write_policy("lamp.lua", (SHINING:gsub("BROKEN = { final", 'BROKEN = { renamed_from = "ON", final')))
      problem = http.expect(reload(), 422, "policy_invalid").problems[1]
      assert.truthy(problem.message:find("choose one of the two", 1, true), problem.message)
      statute:write_policy("lamp.lua", LAMP)
      statute:write_policy("fan.lua", (FAN:gsub("initial", 'renamed_from = "lamp", initial')))
      problem = http.expect(reload(), 422, "policy_invalid").problems[1]
      assert.equal("fan.lua", problem.file)
      assert.truthy(problem.message:find("still declared", 1, true), problem.message)
    end)

    it("fails no request that comes meanwhile", function()
      start({ ["lamp.lua"] = LAMP }, { "--watch", "off" })
      for i = 1, 400 do statute:create("lamp", "l" .. i, {}) end
      for i = 1, 400 do http.expect(statute:move("lamp", "l" .. i, "ON"), 200) end
      statute:write_policy("lamp.lua", (SHINING:gsub('machine "lamp" {', 'machine "lamp" { ')))
      local sent = 0
      local answers = http.parallel(statute.port, function()
        sent = sent + 1
        if sent == 1 then return { method = "POST", path = "/v1/policies/reload" } end
        if sent > 400 then return nil end
        return { method = "POST", path = ("/v1/entities/lamp/l%d/transitions"):format(sent - 1), body = { to = "OFF" } }
      end, 6)
      for _, answer in ipairs(answers) do http.expect(answer, 200) end
      eventually(function() return #http.expect(statute.client:get("/v1/entities/lamp?state=OFF&limit=1000"), 200).items == 399 end, 5, "all are off")
      assert.equal(0, (server.statute { "audit", "verify", "--store", statute.store }))
    end)
  end)
end)
