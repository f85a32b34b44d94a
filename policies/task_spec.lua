local ways = require "lib.ways"

local WAYS = {
  ASSIGNED           = "INPROGRESS WORKING STANDBY",
  INPROGRESS         = "WORKING COMPLETED PARTIALLYCOMPLETED STANDBY ASSIGNED",
  WORKING            = "INPROGRESS COMPLETED PARTIALLYCOMPLETED STANDBY MAINTENANCE",
  STANDBY            = "INPROGRESS WORKING ASSIGNED",
  MAINTENANCE        = "WORKING INPROGRESS",
  PARTIALLYCOMPLETED = "INPROGRESS WORKING COMPLETED",
  COMPLETED          = "AUTOCLOSED INPROGRESS",
  AUTOCLOSED         = "",
}

local PERMITS = {
  { "ASSIGNED", "INPROGRESS", "activity.start_task" },
  { "ASSIGNED", "WORKING", "activity.start_task" },
  { "ASSIGNED", "STANDBY", "activity.hold_task" },
  { "INPROGRESS", "STANDBY", "activity.hold_task" },
  { "INPROGRESS", "COMPLETED", "activity.complete_task" },
  { "WORKING", "COMPLETED", "activity.complete_task" },
  { "WORKING", "MAINTENANCE", "activity.change_task_status" },
  { "WORKING", "PARTIALLYCOMPLETED", "activity.change_task_status" },
  { "COMPLETED", "AUTOCLOSED", "activity.close_task" },
}

local VERBS = {
  { "ASSIGNED", "start", "INPROGRESS" },
  { "ASSIGNED", "start_working", "WORKING" },
  { "ASSIGNED", "hold", "STANDBY" },
  { "INPROGRESS", "complete", "COMPLETED" },
  { "STANDBY", "resume", "INPROGRESS" },
  { "COMPLETED", "close", "AUTOCLOSED" },
  { "COMPLETED", "reopen", "INPROGRESS" },
}

local NOW   = "2025-10-01T09:00:00Z"
local ADMIN = { id = "chief", permissions = { "*" } }
local DATA  = { assigned_to = 7, created_at = "2025-10-01T08:00:00Z" }

-- A request that every declared transition allows, but for what `more` changes.
local function attempt(from, to, more)
  return decide(ways.with({
    machine = "task", id = "t-1", state = from, version = 3, to = to, data = DATA,
    actor = ADMIN, comments = "Because.", now = NOW,
  }, more))
end

describe("task", function()
  for _, way in ipairs(ways.pairs(WAYS)) do
    if way.declared then
      it(("goes from %s to %s"):format(way.from, way.to), function()
        local decision = attempt(way.from, way.to)
        assert.is_true(decision.allowed)
        assert.is_true(decision.changed)
        assert.equal(way.from, decision.from)
        assert.equal(way.to, decision.to)
        assert.same({}, decision.warnings)
      end)
    else
      it(("does not go from %s to %s"):format(way.from, way.to), function()
        local decision = attempt(way.from, way.to)
        assert.is_false(decision.allowed)
        assert.equal("invalid_transition", decision.code)
        assert.same(ways.out_of(WAYS, way.from), decision.allowed_states)
      end)
    end
  end

  it("begins ASSIGNED, with the time of its creation", function()
    local decision = decide { machine = "task", id = "t-1", action = "create", data = { title = "Oil" }, now = NOW }
    assert.is_true(decision.allowed)
    assert.equal("ASSIGNED", decision.to)
    assert.equal(NOW, decision.data.created_at)
  end)

  it("keeps the time of creation that it came with", function()
    local decision = decide { machine = "task", id = "t-1", action = "create", data = DATA, now = NOW }
    assert.equal("2025-10-01T08:00:00Z", decision.data.created_at)
  end)

  it("does not date an old task without a time of creation by its first change", function()
    assert.is_nil(attempt("ASSIGNED", "STANDBY", { data = {} }).data.created_at)
  end)

  describe("permissions", function()
    for _, row in ipairs(PERMITS) do
      local from, to, permission = row[1], row[2], row[3]
      it(("%s to %s needs %s"):format(from, to, permission), function()
        local refused = attempt(from, to, { actor = { id = "w", permissions = { "activity.other" } } })
        assert.is_false(refused.allowed)
        assert.equal("permission_denied", refused.code)
        assert.same({ permission }, refused.required_permissions)
        assert.same({ permission }, refused.missing_permissions)
        assert.is_true(attempt(from, to, { actor = { id = "w", permissions = { permission } } }).allowed)
      end)

      it(("%s to %s is refused to nobody"):format(from, to), function()
        assert.equal("permission_denied", attempt(from, to, { actor = false }).code)
      end)
    end

    it("a technician starts, holds, completes and changes the status, a supervisor closes", function()
      local technician, supervisor = { id = "t", roles = { "technician" } }, { id = "s", roles = { "supervisor" } }
      for _, row in ipairs(PERMITS) do
        assert.equal(row[3] ~= "activity.close_task", attempt(row[1], row[2], { actor = technician }).allowed)
        assert.is_true(attempt(row[1], row[2], { actor = supervisor }).allowed)
      end
    end)

    it("are not asked when the system may skip them", function()
      local decision = attempt("COMPLETED", "AUTOCLOSED", { actor = false, options = { skip_permissions = true } })
      assert.is_true(decision.allowed)
    end)
  end)

  describe("verbs", function()
    for _, row in ipairs(VERBS) do
      it(("%s: %s leads to %s"):format(row[1], row[2], row[3]), function()
        local decision = attempt(row[1], nil, { transition = row[2] })
        assert.is_true(decision.allowed)
        assert.equal(row[3], decision.to)
      end)
    end
  end)

  describe("without an assignee", function()
    for _, way in ipairs(ways.pairs(WAYS)) do
      if way.declared and (way.to == "INPROGRESS" or way.to == "WORKING") then
        it(("does not go from %s to %s"):format(way.from, way.to), function()
          local decision = attempt(way.from, way.to, { data = { assigned_to = "" } })
          assert.equal("guard_rejected", decision.code)
          assert.same({ "Cannot start task without an assignee" }, decision.messages)
        end)
      end
    end

    it("starts when a group is assigned", function()
      assert.is_true(attempt("ASSIGNED", "INPROGRESS", { data = { assigned_group = 12 } }).allowed)
    end)

    it("starts when the request itself assigns somebody", function()
      local decision = attempt("ASSIGNED", "INPROGRESS", { data = {}, patch = { assigned_to = "p-9" } })
      assert.is_true(decision.allowed)
      assert.equal("p-9", decision.data.assigned_to)
    end)
  end)

  describe("completion", function()
    local EVIDENCE = {
      { "requires_observations", "observations", "All valves tight", "observations" },
      { "requires_meter_reading", "meter_reading", 4711, "a meter reading" },
      { "requires_photos", "photos", { "https://files.example/1.jpg" }, "photos" },
    }

    for _, row in ipairs(EVIDENCE) do
      local flag, field, value, name = row[1], row[2], row[3], row[4]
      for _, from in ipairs { "INPROGRESS", "WORKING", "PARTIALLYCOMPLETED" } do
        it(("from %s needs %s when the task requires them"):format(from, field), function()
          local data = ways.with(DATA, { [flag] = true })
          local decision = attempt(from, "COMPLETED", { data = data })
          assert.equal("guard_rejected", decision.code)
          assert.same({ "Cannot complete task without " .. name }, decision.messages)
          assert.is_true(attempt(from, "COMPLETED", { data = data, patch = { [field] = value } }).allowed)
        end)
      end

      it(("needs no %s when the flag is false"):format(field), function()
        assert.is_true(attempt("WORKING", "COMPLETED", { data = ways.with(DATA, { [flag] = false, x = 1 }) }).allowed)
      end)
    end

    it("names everything that is missing at once", function()
      local decision = attempt("WORKING", "COMPLETED", { data = ways.with(DATA, {
        requires_observations = true, requires_meter_reading = true, requires_photos = true, observations = " ",
      }) })
      assert.equal(3, #decision.messages)
    end)

    it("takes a meter reading of zero", function()
      local data = ways.with(DATA, { requires_meter_reading = true, meter_reading = 0 })
      assert.is_true(attempt("WORKING", "COMPLETED", { data = data }).allowed)
    end)

    it("sets completed_at, and reopening takes it away", function()
      local completed = attempt("WORKING", "COMPLETED").data
      assert.equal(NOW, completed.completed_at)
      assert.is_nil(attempt("COMPLETED", "INPROGRESS", { data = completed }).data.completed_at)
      assert.equal(NOW, attempt("COMPLETED", "AUTOCLOSED", { data = completed }).data.completed_at)
    end)
  end)

  describe("standby", function()
    for _, from in ipairs { "ASSIGNED", "INPROGRESS", "WORKING" } do
      it("needs comments, from " .. from, function()
        for _, comments in ipairs { false, "", "  " } do
          local decision = attempt(from, "STANDBY", { comments = comments })
          assert.equal("guard_rejected", decision.code)
          assert.same({ "Comments required when transitioning to STANDBY" }, decision.messages)
        end
      end)
    end
  end)

  describe("overdue", function()
    local function warnings(data, to)
      return #attempt("WORKING", to or "INPROGRESS", { data = ways.with({ assigned_to = 7 }, data) }).warnings
    end

    it("warns after the due date, not before", function()
      assert.equal(1, warnings { due_at = "2025-10-01T08:59:59Z" })
      assert.equal(0, warnings { due_at = "2025-10-01T09:00:00Z" })
    end)

    it("goes by the due date even when the SLA says otherwise", function()
      assert.equal(0, warnings { due_at = "2025-10-02T00:00:00Z", created_at = "2025-01-01T00:00:00Z" })
    end)

    it("warns 24 hours after creation, or as many as the task's SLA has", function()
      assert.equal(1, warnings { created_at = "2025-09-30T08:59:59Z" })
      assert.equal(0, warnings { created_at = "2025-09-30T09:00:00Z" })
      assert.equal(1, warnings { created_at = "2025-10-01T06:59:59Z", sla_hours = 2 })
      assert.equal(0, warnings { created_at = "2025-09-30T00:00:00Z", sla_hours = 48 })
      assert.equal(1, warnings { created_at = "2025-10-01T07:29:59Z", sla_hours = 1.5 })
    end)

    it("still lets the task move, and says since when", function()
      local decision = attempt("WORKING", "COMPLETED", { data = { assigned_to = 7, due_at = "2025-09-30T00:00:00Z" } })
      assert.is_true(decision.allowed)
      assert.same({ "Task is overdue: it was due at 2025-09-30T00:00:00Z" }, decision.warnings)
    end)

    it("does not warn of a task that was completed in time", function()
      local data = { due_at = "2025-09-30T00:00:00Z", completed_at = "2025-09-29T00:00:00Z" }
      assert.same({}, attempt("COMPLETED", "AUTOCLOSED", { data = data }).warnings)
    end)

    it("does not warn of a task without any date", function()
      assert.equal(0, warnings {})
    end)
  end)

  it("names fields of the wrong type", function()
    local decision = attempt("ASSIGNED", "INPROGRESS", { patch = { due_at = "tomorrow", photos = "none", sla_hours = -1 } })
    assert.equal("validation_failed", decision.code)
    assert.is_not_nil(decision.errors.due_at)
    assert.is_not_nil(decision.errors.photos)
    assert.is_not_nil(decision.errors.sla_hours)
  end)

  describe("data", function()
    local TECHNICIAN, SUPERVISOR = { id = "t", roles = { "technician" } }, { id = "s", roles = { "supervisor" } }
    local FULL = ways.with(DATA, { title = "Valve", requires_photos = true, due_at = "2025-10-02T00:00:00Z" })

    local function change(state, patch, actor, data)
      return decide { machine = "task", id = "t-1", action = "update", state = state, version = 3, data = data or FULL,
                      patch = patch, actor = actor or nil, now = NOW }
    end

    it("are evidence that technicians bring, and a plan that supervisors make", function()
      for _, field in ipairs { "observations", "meter_reading", "note" } do
        assert.is_true(change("WORKING", { [field] = "x" }, TECHNICIAN).allowed, field)
      end
      for field, value in pairs { title = "x", requires_photos = false, due_at = "2026-01-01T00:00:00Z", sla_hours = 900, assigned_to = 8 } do
        local refused = change("WORKING", { [field] = value }, TECHNICIAN)
        assert.equal("permission_denied", refused.code, field)
        assert.is_not_nil(refused.errors[field])
        assert.is_true(change("WORKING", { [field] = value }, SUPERVISOR).allowed, field)
      end
    end)

    it("do not lower what completion asks for on the way to it", function()
      local refused = attempt("WORKING", "COMPLETED", { actor = TECHNICIAN, data = FULL, patch = { requires_photos = false } })
      assert.equal("permission_denied", refused.code)
      assert.is_true(attempt("WORKING", "COMPLETED", { actor = TECHNICIAN, data = FULL, patch = { photos = { "a.jpg" } } }).allowed)
    end)

    it("say who does a task that is nobody's when it is taken", function()
      assert.is_true(attempt("ASSIGNED", "INPROGRESS", { actor = TECHNICIAN, data = {}, patch = { assigned_to = "t" } }).allowed)
      assert.equal("permission_denied",
        attempt("ASSIGNED", "INPROGRESS", { actor = TECHNICIAN, data = DATA, patch = { assigned_to = "t" } }).code)
    end)

    it("are changed by nobody without a permission, and not at all once it is closed", function()
      assert.equal("permission_denied", change("WORKING", { note = "x" }, false).code)
      assert.equal("permission_denied", change("WORKING", { note = "x" }, { id = "w", permissions = { "activity.start_task" } }).code)
      assert.equal("permission_denied", change("COMPLETED", { observations = "x" }, TECHNICIAN).code)
      assert.is_true(change("COMPLETED", { observations = "x" }, SUPERVISOR).allowed)
      assert.same({ "The task is closed: its data are not changed any more" }, change("AUTOCLOSED", { note = "x" }, ADMIN).messages)
    end)

    it("have times that nobody sets by hand", function()
      for _, field in ipairs { "created_at", "completed_at" } do
        local refused = change("WORKING", { [field] = "2020-01-01T00:00:00Z" }, ADMIN)
        assert.equal("validation_failed", refused.code)
        assert.is_not_nil(refused.errors[field])
      end
      assert.is_true(change("WORKING", FULL, ADMIN).allowed)
    end)
  end)
end)
