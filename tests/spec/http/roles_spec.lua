-- Roles: what they except, and where they count: everywhere, or within one tenant.
local http     = require "tests.support.http"
local json     = require "tests.support.json"
local server   = require "tests.support.server"

local ROLES = [[
return roles {
  technician = { "job.start" },
  supervisor = { inherits = "technician", "job.*", except = { "job.delete", "job.secret.*" } },
  chief      = { inherits = "supervisor" },
  admin      = { "*" },
}
]]

local JOB = [[
return machine "job" {
  initial = "OPEN", within = "tenant",
  fields  = { tenant = "string" },
  states  = {
    OPEN = { to = {
      STARTED = { permit = "job.start" }, DELETED = { permit = "job.delete" }, SECRET = { permit = "job.secret.read" },
      ASKED   = { permit = function(_, _, ctx) return ctx:may "job.start", "not here" end },
      MIXED   = { guard = function(job, ctx) return (job.amount or 0) < 100 or ctx:may "job.approve", "too much" end },
    } },
    STARTED = {}, DELETED = {}, SECRET = {}, ASKED = {}, MIXED = {},
  },
}
]]

-- The tenant is what a function says, and a machine without `within` is in none.
local OTHERS = [[
return {
  machine "visit" { initial = "OPEN", within = function(visit) return visit.site and "site-" .. visit.site end,
    states = { OPEN = { to = { STARTED = { permit = "job.start" }, DELETED = { permit = { "job.start", function() return true end } } } },
               STARTED = {}, DELETED = {} } },
  machine "note" { initial = "OPEN", states = { OPEN = { to = { STARTED = { permit = "job.start" } } }, STARTED = {} } },
  access "record" { within = "tenant", actions = { read = "job.start", write = { "job.start", function() return true end },
                    may = function(_, _, ctx) return ctx:may "job.start" end } },
  access "paper" { actions = { read = "job.start" } },
  directory {
    subjects = { user = { ann = { roles = { { role = "technician", within = "acme" } } }, bob = { roles = { "technician" } },
                          eve = { roles = { { role = "technician", within = "acme/*" } } }, joe = {} } },
    resources = { record = { r1 = { tenant = "acme" }, r2 = { tenant = "acme/north" }, r3 = { tenant = "other" }, r4 = {} } },
  },
}
]]

local function held(role, within) return { role = role, within = within } end

describe("a role", function()
  local statute, jobs = nil, 0

  setup(function() statute = server.start { policies = { ["roles.lua"] = ROLES, ["job.lua"] = JOB, ["others.lua"] = OTHERS } } end)
  teardown(function() statute:stop() end)

  local function make(machine, data)
    jobs = jobs + 1
    return statute:create(machine, "x" .. jobs, data or {}).id
  end
  local function ann(...) return { id = "ann", roles = json.array { ... } } end
  local function move(machine, id, to, actor, data) return statute:move(machine, id, { to = to, actor = actor, data = data }) end
  local function may(to, actor, data) return move("job", make("job", data), to, actor).status == 200 end

  describe("with `except`", function()
    it("does not grant that, nor does what inherits it, but another role may", function()
      for _, role in ipairs { "supervisor", "chief" } do
        assert.is_true(may("STARTED", ann(role)))
        assert.is_false(may("DELETED", ann(role)))
        assert.is_false(may("SECRET", ann(role)))
        assert.is_true(may("DELETED", ann(role, "admin")))
      end
      assert.is_true(may("DELETED", { id = "ann", roles = { "chief" }, permissions = { "job.delete" } }))
    end)
  end)

  describe("within a tenant", function()
    it("counts there and nowhere else", function()
      assert.is_true(may("STARTED", ann(held("technician", "acme")), { tenant = "acme" }))
      assert.is_false(may("STARTED", ann(held("technician", "acme")), { tenant = "acme2" }))
      assert.is_false(may("STARTED", ann(held("technician", "acme")), { tenant = "acme/north" }))
      assert.is_false(may("STARTED", ann(held("technician", "acme"))))
      assert.is_true(may("STARTED", ann "technician"))
      assert.is_true(may("STARTED", ann(held("supervisor", "b"), held("technician", "a")), { tenant = "a" }))
    end)

    it("may count in all below one, but not in that itself", function()
      assert.is_true(may("STARTED", ann(held("technician", "acme/*")), { tenant = "acme/north" }))
      assert.is_true(may("STARTED", ann(held("technician", "acme/*")), { tenant = "acme/north/1" }))
      assert.is_false(may("STARTED", ann(held("technician", "acme/*")), { tenant = "acme" }))
      assert.is_false(may("STARTED", ann(held("technician", "acme/*")), { tenant = "acmes" }))
    end)

    it("cannot be brought in by the patch of a transition", function()
      local id = make("job", { tenant = "other" })
      http.expect(move("job", id, "STARTED", ann(held("technician", "acme")), { tenant = "acme" }), 403, "permission_denied")
    end)

    it("may be held against what a function says", function()
      http.expect(move("visit", make("visit", { site = 7 }), "STARTED", ann(held("technician", "site-7"))), 200)
      http.expect(move("visit", make("visit", { site = 7 }), "DELETED", ann(held("technician", "site-7"))), 200)
      http.expect(move("visit", make("visit", { site = 8 }), "STARTED", ann(held("technician", "site-7"))), 403, "permission_denied")
      http.expect(move("visit", make "visit", "STARTED", ann(held("technician", "site-7"))), 403, "permission_denied")
      http.expect(move("visit", make "visit", "STARTED", ann "technician"), 200)
    end)

    it("counts for no machine without `within`", function()
      http.expect(move("note", make("note", { tenant = "acme" }), "STARTED", ann(held("technician", "acme"))), 403, "permission_denied")
    end)

    it("is what ctx:may asks, in permits and in guards", function()
      assert.is_true(may("ASKED", ann(held("technician", "acme")), { tenant = "acme" }))
      assert.is_false(may("ASKED", ann(held("technician", "acme")), { tenant = "b" }))
      assert.is_true(may("MIXED", ann(held("supervisor", "acme")), { tenant = "acme", amount = 500 }))
      assert.is_false(may("MIXED", ann(held("supervisor", "acme")), { tenant = "b", amount = 500 }))
      assert.is_false(may("MIXED", nil, { tenant = "b", amount = 500 }))
    end)

    it("has a role and a tenant, and nothing else", function()
      for _, role in ipairs { { role = "technician" }, held("technician", ""), held("technician", "*"), held("technician", "a*"),
                              held("technician", "*/a"), { role = "technician", within = "a", zone = 1 }, { within = "a" }, 7 } do
        local problem = http.expect(move("job", "x1", "STARTED", { id = "ann", roles = { role } }), 400, "bad_request")
        assert.truthy(problem.detail:find("actor.roles: each item must", 1, true), problem.detail)
      end
    end)

    it("is shown as held in the list of transitions", function()
      local id = make("job", { tenant = "acme" })
      local function permitted(roles)
        local list = http.expect(statute.client:get("/v1/entities/job/" .. id .. "/transitions?actor=ann&roles=" .. roles), 200)
        for _, item in ipairs(list.transitions) do if item.to == "STARTED" then return item.permitted end end
      end
      assert.is_true(permitted "technician@acme")
      assert.is_false(permitted "technician@other")
      assert.is_true(permitted "technician")
    end)
  end)

  describe("of AuthZEN's subjects", function()
    local function post(path, question) return http.expect(statute.client:post("/access/v1/" .. path, question), 200) end
    local function ask(subject, action, resource)
      return post("evaluation", { subject = subject, action = { name = action }, resource = resource }).decision
    end
    local function found(path, question)
      local ids = {}
      for _, item in ipairs(post("search/" .. path, question).results) do ids[#ids + 1] = item.id or item.name end
      table.sort(ids)
      return table.concat(ids, " ")
    end
    local ANN, EVE = { type = "user", id = "ann" }, { type = "user", id = "eve" }
    local function record(id) return { type = "record", id = id } end

    it("counts within the tenant of the resource", function()
      for _, action in ipairs { "read", "write", "may" } do
        assert.is_true(ask(ANN, action, record "r1"), action)
        assert.is_false(ask(ANN, action, record "r2"), action)
        assert.is_false(ask(ANN, action, record "r4"), action)
        assert.is_true(ask(EVE, action, record "r2"), action)
      end
      assert.is_false(ask(ANN, "read", { type = "paper", id = "p", properties = { tenant = "acme" } }))
      local brought = { type = "user", id = "zoe", properties = { roles = { held("technician", "other") } } }
      assert.is_true(ask(brought, "read", record "r3"))
      assert.is_false(ask(brought, "read", record "r1"))
    end)

    it("counts for entities of a machine", function()
      assert.is_true(ask(ANN, "STARTED", { type = "job", id = make("job", { tenant = "acme" }) }))
      assert.is_false(ask(ANN, "STARTED", { type = "job", id = make("job", { tenant = "b" }) }))
    end)

    it("is honoured by searches", function()
      local read = { name = "read" }
      assert.equal("ann bob", found("subject", { subject = { type = "user" }, action = read, resource = record "r1" }))
      assert.equal("bob eve", found("subject", { subject = { type = "user" }, action = read, resource = record "r2" }))
      assert.equal("r1", found("resource", { subject = ANN, action = read, resource = { type = "record" } }))
      assert.equal("r2", found("resource", { subject = EVE, action = read, resource = { type = "record" } }))
      assert.equal("may read write", found("action", { subject = ANN, resource = record "r1" }))
      assert.equal("", found("action", { subject = ANN, resource = record "r3" }))
    end)
  end)
end)
