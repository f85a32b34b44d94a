-- Work orders for vendors, and the line items they consist of.
local checks = require "lib.checks"

local OPEN_ITEMS = { "PENDING", "IN_PROGRESS" }

local function has_vendor(order)
  return checks.present(order.vendor_id), "Cannot approve work order without vendor assignment"
end

local function items_done(_, ctx)
  local open = ctx:count { machine = "line_item", state = OPEN_ITEMS, where = { work_order_id = ctx.id } }
  return open == 0, ("Cannot complete work order: %d line item%s still PENDING or IN_PROGRESS")
    :format(open, open == 1 and " is" or "s are")
end

-- An effect that tells whoever listens to the event stream and the webhooks.
local function notify(event_type)
  return function(order, ctx)
    return { emit = { { type = event_type, data = {
      work_order_id = ctx.id,
      vendor_id     = order.vendor_id,
      priority      = order.priority,
      by            = ctx.actor and ctx.actor.id,
    } } } }
  end
end

-- Four eyes: who asked for the work does not approve it, whatever else that actor may do.
local function is_own(actor, order)
  return order.requested_by ~= nil and actor.id == order.requested_by, "Nobody approves a work order of their own"
end

local EDIT   = "work_order_management.edit_workorder"
local OPEN   = { "DRAFT", "SUBMITTED" } -- until it is approved, what is ordered may be changed
local closed = { guard = checks.closed("The work order") }
local cancel = { name = "cancel", permit = "work_order_management.cancel_workorder" }

return {
  machine "work_order" {
    doc     = "A work order, from draft through approval and execution to closure.",
    initial = "DRAFT",

    fields = {
      title        = { type = "string", editable_in = OPEN },
      requested_by = { type = "string", immutable = true, doc = "actor who asks for it, and so may not approve it" },
      vendor_id    = { type = "string", editable_in = OPEN, doc = "who is to do the work; no approval without" },
      priority     = { type = "string", enum = { "LOW", "NORMAL", "HIGH" }, default = "NORMAL" },
      ctzoffset    = { type = "integer", min = -720, max = 840, doc = "minutes east of UTC, of the client's clock" },
    },

    update = { permit = EDIT },

    states = {
      DRAFT = {
        doc = "Being written.",
        to  = { SUBMITTED = { name = "submit" }, CANCELLED = cancel },
      },
      SUBMITTED = {
        doc = "Waits for approval.",
        to  = {
          APPROVED  = { name = "approve", permit = "work_order_management.approve_workorder", deny = is_own },
          DRAFT     = { name = "return_to_draft" },
          CANCELLED = cancel,
        },
      },
      APPROVED = {
        doc      = "The vendor may begin; lapses after 30 days.",
        require  = has_vendor,
        on_enter = notify("work_order.approved"),
        after    = { delay = "30d", to = "CANCELLED", reason = "system_auto", comments = "Approval lapsed" },
        to       = {
          IN_PROGRESS = { name = "start", permit = "work_order_management.start_workorder" },
          CANCELLED   = cancel,
        },
      },
      IN_PROGRESS = {
        doc    = "The vendor is at work, and says how it goes.",
        update = { permit = any { EDIT, "work_order_management.complete_workorder" } },
        to     = {
          COMPLETED = { name = "complete", permit = "work_order_management.complete_workorder" },
          CANCELLED = cancel,
        },
      },
      COMPLETED = {
        doc      = "All line items are done or cancelled.",
        require  = { checks.comments, items_done },
        on_enter = notify("work_order.completed"),
        to       = {
          CLOSED      = { name = "close", permit = "work_order_management.close_workorder" },
          IN_PROGRESS = { name = "rework", permit = "work_order_management.start_workorder" },
        },
      },
      CLOSED    = { doc = "Accepted.", final = true, require = checks.comments, update = closed },
      CANCELLED = { doc = "Will not be done.", final = true, require = checks.comments, update = closed },
    },
  },

  machine "line_item" {
    doc     = "One piece of work of a work order.",
    initial = "PENDING",

    fields = {
      work_order_id = { type = "string", required = true, immutable = true, doc = "id of the work order it belongs to" },
      description   = "string",
      quantity      = { type = "number", min = 0, editable_in = OPEN_ITEMS },
    },

    states = {
      ["*"]       = { to = { CANCELLED = { name = "cancel" } } },
      PENDING     = { to = { IN_PROGRESS = { name = "start" } } },
      IN_PROGRESS = { to = { COMPLETED = { name = "complete" }, PENDING = { name = "put_back" } } },
      COMPLETED   = { final = true },
      CANCELLED   = { final = true },
    },
  },
}
