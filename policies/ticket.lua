-- A helpdesk ticket, from the first call to closure, and back again when it was not solved.
local checks   = require "lib.checks"
local instants = require "lib.instants"

-- Back to work: the old resolution no longer holds, and how often that happened is counted.
local function reopened(ticket)
  return { set = { reopen_count = (ticket.reopen_count or 0) + 1 }, unset = { "resolved_at", "closed_at" } }
end

-- Agents keep the ticket up to date; who may give tickets to others, or takes one that is nobody's, says whose it is.
local ASSIGN  = "y_helpdesk.assign_ticket"
local WORK    = "y_helpdesk.work_ticket"
local whose   = any { ASSIGN, checks.unassigned }
local closed  = { guard = checks.closed("The ticket") }

local assign  = { name = "assign", permit = ASSIGN }
local start   = { name = "start", permit = WORK }
local release = { name = "release", permit = ASSIGN }
local hold    = { name = "hold", permit = WORK }
local resolve = { name = "resolve", permit = "y_helpdesk.resolve_ticket" }
local cancel  = { name = "cancel", permit = "y_helpdesk.cancel_ticket" }
local reopen  = { name = "reopen", permit = "y_helpdesk.reopen_ticket", guard = checks.comments, effect = reopened }

return machine "ticket" {
  doc     = "A helpdesk ticket, from the first call to closure.",
  initial = "NEW",

  fields = {
    title          = "string",
    priority       = { type = "string", enum = { "LOW", "MEDIUM", "HIGH", "CRITICAL" }, default = "MEDIUM" },
    assigned_to    = { type = "any", permit = whose, doc = "people id of the agent" },
    assigned_group = { type = "any", permit = whose, doc = "id of the team" },
    reopen_count   = { type = "integer", min = 0, default = 0, editable_in = {}, doc = "counted by reopening" },
    resolved_at    = { type = "datetime", editable_in = {}, doc = "set by resolving, taken away by reopening" },
    closed_at      = { type = "datetime", editable_in = {}, doc = "set by closing, taken away by reopening" },
  },

  update = { permit = any { WORK, ASSIGN } },

  states = {
    NEW = {
      doc = "Nobody has looked at it.",
      to  = { OPEN = { name = "open", permit = WORK }, ASSIGNED = assign, CANCELLED = cancel },
    },
    OPEN = {
      doc = "Seen, not yet given to anybody; also where a reopened ticket goes.",
      to  = { ASSIGNED = assign, INPROGRESS = start, ONHOLD = hold, CANCELLED = cancel },
    },
    ASSIGNED = {
      doc     = "Somebody is to work on it.",
      require = checks.assignee("assign ticket"),
      to      = { INPROGRESS = start, ONHOLD = hold, OPEN = release, CANCELLED = cancel },
    },
    INPROGRESS = {
      doc     = "An agent works on it.",
      require = checks.assignee("start ticket"),
      to      = { RESOLVED = resolve, ONHOLD = hold, ASSIGNED = assign, CANCELLED = cancel },
    },
    ONHOLD = {
      doc     = "Waits for the caller or a third party; the comments say for what.",
      require = checks.comments,
      to      = { INPROGRESS = start, ASSIGNED = assign, OPEN = release, CANCELLED = cancel },
    },
    RESOLVED = {
      doc      = "Solved, in the agent's view; the comments say how.",
      require  = checks.comments,
      on_enter = instants.stamp("resolved_at"),
      to       = { CLOSED = { name = "close", permit = "y_helpdesk.close_ticket" }, OPEN = reopen },
    },
    CLOSED = {
      doc      = "Solved, in the caller's view.",
      on_enter = instants.stamp("closed_at"),
      update   = closed,
      to       = { OPEN = reopen },
    },
    CANCELLED = { doc = "Will not be worked on; the comments say why.", final = true, require = checks.comments,
                  update = closed },
  },
}
