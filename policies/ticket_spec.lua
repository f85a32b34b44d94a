local ways = require "lib.ways"

local WAYS = {
  NEW        = "OPEN ASSIGNED CANCELLED",
  OPEN       = "ASSIGNED INPROGRESS ONHOLD CANCELLED",
  ASSIGNED   = "INPROGRESS ONHOLD OPEN CANCELLED",
  INPROGRESS = "RESOLVED ONHOLD ASSIGNED CANCELLED",
  ONHOLD     = "INPROGRESS ASSIGNED OPEN CANCELLED",
  RESOLVED   = "CLOSED OPEN",
  CLOSED     = "OPEN",
  CANCELLED  = "",
}

-- The permission of each transition, by its target; reopening is a transition of its own.
local PERMITS = {
  OPEN       = "y_helpdesk.assign_ticket",
  ASSIGNED   = "y_helpdesk.assign_ticket",
  INPROGRESS = "y_helpdesk.work_ticket",
  ONHOLD     = "y_helpdesk.work_ticket",
  RESOLVED   = "y_helpdesk.resolve_ticket",
  CLOSED     = "y_helpdesk.close_ticket",
  CANCELLED  = "y_helpdesk.cancel_ticket",
}

local COMMENTS = { ONHOLD = true, RESOLVED = true, CANCELLED = true }

local NOW   = "2025-10-01T09:00:00Z"
local ADMIN = { id = "chief", permissions = { "*" } }
local DATA  = { assigned_to = 7 }

local function attempt(from, to, more)
  return decide(ways.with({
    machine = "ticket", id = "k-1", state = from, version = 3, to = to, data = DATA,
    actor = ADMIN, comments = "Because.", now = NOW,
  }, more))
end

local function reopens(way) return way.to == "OPEN" and (way.from == "RESOLVED" or way.from == "CLOSED") end

local function permit_of(way)
  if reopens(way) then return "y_helpdesk.reopen_ticket" end
  if way.from == "NEW" and way.to == "OPEN" then return "y_helpdesk.work_ticket" end
  return PERMITS[way.to]
end

describe("ticket", function()
  for _, way in ipairs(ways.pairs(WAYS)) do
    local name = ("from %s to %s"):format(way.from, way.to)
    if way.declared then
      it("goes " .. name, function()
        local decision = attempt(way.from, way.to)
        assert.is_true(decision.allowed)
        assert.equal(way.to, decision.to)
      end)

      it("needs a permission " .. name, function()
        local permission = permit_of(way)
        local refused = attempt(way.from, way.to, { actor = { id = "w", permissions = { "y_helpdesk.view_ticket" } } })
        assert.equal("permission_denied", refused.code)
        assert.same({ permission }, refused.missing_permissions)
        assert.is_true(attempt(way.from, way.to, { actor = { id = "w", permissions = { permission } } }).allowed)
        assert.equal("permission_denied", attempt(way.from, way.to, { actor = false }).code)
      end)

      if COMMENTS[way.to] or reopens(way) then
        it("needs comments " .. name, function()
          local decision = attempt(way.from, way.to, { comments = false })
          assert.equal("guard_rejected", decision.code)
          assert.same({ "Comments required when transitioning to " .. way.to }, decision.messages)
        end)
      else
        it("needs no comments " .. name, function()
          assert.is_true(attempt(way.from, way.to, { comments = false }).allowed)
        end)
      end
    else
      it("does not go " .. name, function()
        local decision = attempt(way.from, way.to)
        assert.equal("invalid_transition", decision.code)
        assert.same(ways.out_of(WAYS, way.from), decision.allowed_states)
      end)
    end
  end

  it("begins NEW, of MEDIUM priority, never reopened", function()
    local decision = decide { machine = "ticket", id = "k-1", action = "create", data = { title = "No mail" }, now = NOW }
    assert.equal("NEW", decision.to)
    assert.equal("MEDIUM", decision.data.priority)
    assert.equal(0, decision.data.reopen_count)
  end)

  it("is assigned to somebody or to a team", function()
    local decision = attempt("OPEN", "ASSIGNED", { data = {} })
    assert.equal("guard_rejected", decision.code)
    assert.same({ "Cannot assign ticket without an assignee" }, decision.messages)
    assert.is_true(attempt("OPEN", "ASSIGNED", { data = {}, patch = { assigned_group = "network" } }).allowed)
    assert.same({ "Cannot start ticket without an assignee" }, attempt("OPEN", "INPROGRESS", { data = {} }).messages)
  end)

  it("keeps the times of resolving and closing until it is reopened", function()
    local resolved = attempt("INPROGRESS", "RESOLVED").data
    assert.equal(NOW, resolved.resolved_at)
    local closed = attempt("RESOLVED", "CLOSED", { data = resolved }).data
    assert.equal(NOW, closed.resolved_at)
    assert.equal(NOW, closed.closed_at)
    local reopened = attempt("CLOSED", "OPEN", { data = closed }).data
    assert.is_nil(reopened.resolved_at)
    assert.is_nil(reopened.closed_at)
    assert.equal(1, reopened.reopen_count)
  end)

  it("counts how often it was reopened, and not how often it was released", function()
    assert.equal(3, attempt("RESOLVED", "OPEN", { data = { reopen_count = 2 } }).data.reopen_count)
    assert.equal(2, attempt("ASSIGNED", "OPEN", { data = { reopen_count = 2 } }).data.reopen_count)
  end)

  it("an agent resolves, a manager closes, reopens and cancels", function()
    local agent, manager = { id = "a", roles = { "helpdesk_agent" } }, { id = "m", roles = { "helpdesk_manager" } }
    assert.is_true(attempt("INPROGRESS", "RESOLVED", { actor = agent }).allowed)
    assert.is_false(attempt("RESOLVED", "CLOSED", { actor = agent }).allowed)
    for _, way in ipairs(ways.pairs(WAYS)) do
      if way.declared then assert.is_true(attempt(way.from, way.to, { actor = manager }).allowed) end
    end
  end)

  describe("data", function()
    local AGENT, CALLER = { id = "a", roles = { "helpdesk_agent" } }, { id = "c", permissions = { "y_helpdesk.view_ticket" } }
    local WORKER = { id = "w", permissions = { "y_helpdesk.work_ticket" } }

    local function change(state, patch, actor, data)
      return decide { machine = "ticket", id = "k-1", action = "update", state = state, version = 3, data = data or DATA,
                      patch = patch, actor = actor or nil, now = NOW }
    end

    it("are kept up to date by agents, until it is closed", function()
      assert.is_true(change("OPEN", { title = "No mail at all", priority = "HIGH" }, AGENT).allowed)
      assert.equal("permission_denied", change("OPEN", { title = "x" }, CALLER).code)
      assert.equal("permission_denied", change("OPEN", { title = "x" }, false).code)
      for _, state in ipairs { "CLOSED", "CANCELLED" } do
        assert.same({ "The ticket is closed: its data are not changed any more" }, change(state, { title = "x" }, ADMIN).messages)
      end
    end)

    it("say whose it is: who assigns tickets decides, or who takes one that is nobody's", function()
      assert.is_true(change("OPEN", { assigned_to = 9 }, AGENT).allowed)
      assert.equal("permission_denied", change("OPEN", { assigned_to = 9 }, WORKER).code)
      assert.is_true(change("OPEN", { assigned_to = 9 }, WORKER, {}).allowed)
      assert.is_true(attempt("OPEN", "INPROGRESS", { actor = WORKER, data = {}, patch = { assigned_to = "w" } }).allowed)
      assert.equal("permission_denied", attempt("OPEN", "INPROGRESS", { actor = WORKER, patch = { assigned_to = "w" } }).code)
    end)

    it("have counts and times that nobody sets by hand", function()
      for field, value in pairs { reopen_count = 0, resolved_at = NOW, closed_at = NOW } do
        local data = { reopen_count = 3 }
        assert.is_not_nil(change("OPEN", { [field] = value }, ADMIN, data).errors[field], field)
      end
    end)
  end)
end)
