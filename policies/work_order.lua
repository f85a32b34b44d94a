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

local cancel = { name = "cancel", permit = "work_order_management.cancel_workorder" }

return {
  machine "work_order" {
    doc     = "A work order, from draft through approval and execution to closure.",
    initial = "DRAFT",

    fields = {
      title     = "string",
      vendor_id = { type = "string", doc = "who is to do the work; no approval without" },
      priority  = { type = "string", enum = { "LOW", "NORMAL", "HIGH" }, default = "NORMAL" },
      ctzoffset = { type = "integer", min = -720, max = 840, doc = "minutes east of UTC, of the client's clock" },
    },

    states = {
      DRAFT = {
        doc = "Being written.",
        to  = { SUBMITTED = { name = "submit" }, CANCELLED = cancel },
      },
      SUBMITTED = {
        doc = "Waits for approval.",
        to  = {
          APPROVED  = { name = "approve", permit = "work_order_management.approve_workorder" },
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
        doc = "The vendor is at work.",
        to  = {
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
      CLOSED    = { doc = "Accepted.", final = true, require = checks.comments },
      CANCELLED = { doc = "Will not be done.", final = true, require = checks.comments },
    },
  },

  machine "line_item" {
    doc     = "One piece of work of a work order.",
    initial = "PENDING",

    fields = {
      work_order_id = { type = "string", required = true, doc = "id of the work order it belongs to" },
      description   = "string",
      quantity      = { type = "number", min = 0 },
    },

    states = {
      PENDING     = { to = { IN_PROGRESS = { name = "start" }, CANCELLED = { name = "cancel" } } },
      IN_PROGRESS = {
        to = { COMPLETED = { name = "complete" }, PENDING = { name = "put_back" }, CANCELLED = { name = "cancel" } },
      },
      COMPLETED   = { final = true },
      CANCELLED   = { final = true },
    },
  },
}
