local ways = require "lib.ways"

local WAYS = {
  DRAFT       = "SUBMITTED CANCELLED",
  SUBMITTED   = "APPROVED DRAFT CANCELLED",
  APPROVED    = "IN_PROGRESS CANCELLED",
  IN_PROGRESS = "COMPLETED CANCELLED",
  COMPLETED   = "CLOSED IN_PROGRESS",
  CLOSED      = "",
  CANCELLED   = "",
}

local ITEM_WAYS = {
  PENDING     = "IN_PROGRESS CANCELLED",
  IN_PROGRESS = "COMPLETED PENDING CANCELLED",
  COMPLETED   = "",
  CANCELLED   = "",
}

local PERMITS = {
  { "SUBMITTED", "APPROVED", "work_order_management.approve_workorder" },
  { "APPROVED", "IN_PROGRESS", "work_order_management.start_workorder" },
  { "COMPLETED", "IN_PROGRESS", "work_order_management.start_workorder" },
  { "IN_PROGRESS", "COMPLETED", "work_order_management.complete_workorder" },
  { "COMPLETED", "CLOSED", "work_order_management.close_workorder" },
  { "DRAFT", "CANCELLED", "work_order_management.cancel_workorder" },
  { "SUBMITTED", "CANCELLED", "work_order_management.cancel_workorder" },
  { "APPROVED", "CANCELLED", "work_order_management.cancel_workorder" },
  { "IN_PROGRESS", "CANCELLED", "work_order_management.cancel_workorder" },
}

local NOW   = "2025-10-01T09:00:00Z"
local ADMIN = { id = "chief", permissions = { "*" } }
local DATA  = { vendor_id = "v-1" }

local function attempt(from, to, more)
  return decide(ways.with({
    machine = "work_order", id = "wo-1", state = from, version = 3, to = to, data = DATA,
    actor = ADMIN, comments = "Because.", now = NOW,
  }, more))
end

local function item(id, state, order)
  return { machine = "line_item", id = id, state = state, data = { work_order_id = order or "wo-1" } }
end

describe("work_order", function()
  it("lapses when nobody begins with it for 30 days after the approval", function()
    local lapsed = decide { machine = "work_order", id = "w1", state = "APPROVED", timer = "CANCELLED", data = { vendor_id = "v1" } }
    assert.is_true(lapsed.allowed)
    assert.equal("CANCELLED", lapsed.to)
  end)

  for _, way in ipairs(ways.pairs(WAYS)) do
    if way.declared then
      it(("goes from %s to %s"):format(way.from, way.to), function()
        local decision = attempt(way.from, way.to)
        assert.is_true(decision.allowed)
        assert.equal(way.to, decision.to)
      end)
    else
      it(("does not go from %s to %s"):format(way.from, way.to), function()
        local decision = attempt(way.from, way.to)
        assert.equal("invalid_transition", decision.code)
        assert.same(ways.out_of(WAYS, way.from), decision.allowed_states)
      end)
    end
  end

  it("begins as a DRAFT of NORMAL priority", function()
    local decision = decide { machine = "work_order", id = "wo-1", action = "create", data = {}, now = NOW }
    assert.is_true(decision.allowed)
    assert.equal("DRAFT", decision.to)
    assert.equal("NORMAL", decision.data.priority)
  end)

  it("names fields that are wrong", function()
    local decision = decide { machine = "work_order", id = "wo-1", action = "create", now = NOW,
                              data = { priority = "URGENT", ctzoffset = 841 } }
    assert.equal("validation_failed", decision.code)
    assert.is_not_nil(decision.errors.priority)
    assert.is_not_nil(decision.errors.ctzoffset)
  end)

  describe("permissions", function()
    for _, row in ipairs(PERMITS) do
      it(("%s to %s needs %s"):format(row[1], row[2], row[3]), function()
        local refused = attempt(row[1], row[2], { actor = { id = "w", permissions = { "activity.start_task" } } })
        assert.equal("permission_denied", refused.code)
        assert.same({ row[3] }, refused.required_permissions)
        assert.same({ row[3] }, refused.missing_permissions)
        assert.is_true(attempt(row[1], row[2], { actor = { id = "w", permissions = { row[3] } } }).allowed)
        assert.equal("permission_denied", attempt(row[1], row[2], { actor = false }).code)
      end)
    end

    it("follow the roles", function()
      local vendor, approver = { id = "v", roles = { "work_order_vendor" } }, { id = "a", roles = { "work_order_approver" } }
      local manager = { id = "m", roles = { "work_order_manager" } }
      assert.is_true(attempt("APPROVED", "IN_PROGRESS", { actor = vendor }).allowed)
      assert.is_true(attempt("IN_PROGRESS", "COMPLETED", { actor = vendor }).allowed)
      assert.is_false(attempt("SUBMITTED", "APPROVED", { actor = vendor }).allowed)
      assert.is_true(attempt("SUBMITTED", "APPROVED", { actor = approver }).allowed)
      assert.is_false(attempt("COMPLETED", "CLOSED", { actor = approver }).allowed)
      for _, row in ipairs(PERMITS) do assert.is_true(attempt(row[1], row[2], { actor = manager }).allowed) end
    end)
  end)

  describe("approval", function()
    it("needs a vendor", function()
      for _, data in ipairs { {}, { vendor_id = "" } } do
        local decision = attempt("SUBMITTED", "APPROVED", { data = data })
        assert.equal("guard_rejected", decision.code)
        assert.same({ "Cannot approve work order without vendor assignment" }, decision.messages)
      end
    end)

    it("tells who listens", function()
      local emit = attempt("SUBMITTED", "APPROVED").emit
      assert.equal(1, #emit)
      assert.equal("work_order.approved", emit[1].type)
      assert.equal("wo-1", emit[1].data.work_order_id)
      assert.equal("v-1", emit[1].data.vendor_id)
      assert.equal("chief", emit[1].data.by)
    end)

    it("lapses after 30 days, and the timer's cancellation is allowed", function()
      local timers = attempt("SUBMITTED", "APPROVED").timers
      assert.equal(1, #timers)
      assert.equal("CANCELLED", timers[1].to)
      assert.equal("system_auto", timers[1].reason)
      assert.equal("Approval lapsed", timers[1].comments)
      local lapse = attempt("APPROVED", "CANCELLED", {
        actor = false, reason = "system_auto", comments = "Approval lapsed", options = { skip_permissions = true },
      })
      assert.is_true(lapse.allowed)
    end)
  end)

  describe("completion", function()
    it("waits for one line item", function()
      local decision = attempt("IN_PROGRESS", "COMPLETED", { entities = { item("a", "PENDING"), item("b", "COMPLETED") } })
      assert.equal("guard_rejected", decision.code)
      assert.same({ "Cannot complete work order: 1 line item is still PENDING or IN_PROGRESS" }, decision.messages)
    end)

    it("waits for all line items and says how many there are", function()
      local decision = attempt("IN_PROGRESS", "COMPLETED", {
        entities = { item("a", "PENDING"), item("b", "IN_PROGRESS"), item("c", "PENDING"), item("d", "CANCELLED") },
      })
      assert.same({ "Cannot complete work order: 3 line items are still PENDING or IN_PROGRESS" }, decision.messages)
    end)

    it("does not wait for done or cancelled ones, or those of other orders", function()
      local decision = attempt("IN_PROGRESS", "COMPLETED", {
        entities = { item("a", "COMPLETED"), item("b", "CANCELLED"), item("c", "PENDING", "wo-2") },
      })
      assert.is_true(decision.allowed)
    end)

    it("tells who listens", function()
      local emit = attempt("IN_PROGRESS", "COMPLETED").emit
      assert.equal("work_order.completed", emit[1].type)
      assert.equal("v-1", emit[1].data.vendor_id)
    end)

    it("names the missing comments and the open line items together", function()
      local decision = attempt("IN_PROGRESS", "COMPLETED", { comments = false, entities = { item("a", "PENDING") } })
      assert.equal(2, #decision.messages)
    end)
  end)

  describe("comments", function()
    for _, way in ipairs(ways.pairs(WAYS)) do
      local needed = way.to == "COMPLETED" or way.to == "CLOSED" or way.to == "CANCELLED"
      if way.declared and needed then
        it(("are required from %s to %s"):format(way.from, way.to), function()
          local decision = attempt(way.from, way.to, { comments = false })
          assert.equal("guard_rejected", decision.code)
          assert.same({ "Comments required when transitioning to " .. way.to }, decision.messages)
        end)
      elseif way.declared then
        it(("are not required from %s to %s"):format(way.from, way.to), function()
          assert.is_true(attempt(way.from, way.to, { comments = false }).allowed)
        end)
      end
    end
  end)
end)

describe("line_item", function()
  local function move(from, to)
    return decide { machine = "line_item", id = "a", state = from, version = 1, to = to, now = NOW,
                    data = { work_order_id = "wo-1" }, actor = ADMIN }
  end

  for _, way in ipairs(ways.pairs(ITEM_WAYS)) do
    if way.declared then
      it(("goes from %s to %s"):format(way.from, way.to), function()
        assert.is_true(move(way.from, way.to).allowed)
      end)
    else
      it(("does not go from %s to %s"):format(way.from, way.to), function()
        assert.equal("invalid_transition", move(way.from, way.to).code)
      end)
    end
  end

  it("belongs to a work order", function()
    local decision = decide { machine = "line_item", id = "a", action = "create", data = {}, now = NOW }
    assert.equal("validation_failed", decision.code)
    assert.is_not_nil(decision.errors.work_order_id)
    decision = decide { machine = "line_item", id = "a", action = "create", data = { work_order_id = "wo-1" }, now = NOW }
    assert.is_true(decision.allowed)
    assert.equal("PENDING", decision.to)
  end)
end)
