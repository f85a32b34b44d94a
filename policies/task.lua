-- A maintenance task in the field, from assignment to automatic closure.
local checks   = require "lib.checks"
local instants = require "lib.instants"

local SLA_HOURS = 24 -- when a task has neither `due_at` nor `sla_hours`

-- What a task may require before it counts as done: the flag, the field, and what is missing.
local EVIDENCE = {
  { flag = "requires_observations",  field = "observations",  name = "observations" },
  { flag = "requires_meter_reading", field = "meter_reading", name = "a meter reading" },
  { flag = "requires_photos",        field = "photos",        name = "photos" },
}

local function evidence(required)
  return function(task)
    return task[required.flag] ~= true or checks.present(task[required.field]),
      "Cannot complete task without " .. required.name
  end
end

local function due_at(task)
  if task.due_at then return instants.read(task.due_at) end
  local created = instants.read(task.created_at)
  return created and created + math.floor((task.sla_hours or SLA_HOURS) * instants.HOUR)
end

-- A finished task is judged by when it was completed, any other by the present time.
local function overdue(task, ctx)
  local due, reached = due_at(task), instants.read(task.completed_at) or ctx.now
  if due and reached > due then return "Task is overdue: it was due at " .. time.format(due) end
end

local has_assignee = checks.assignee("start task")

-- Who plans says what is to be done, by whom and until when; who does the task brings the evidence.
local PLAN   = "activity.plan_task"
local assign = any { PLAN, checks.unassigned }

return machine "task" {
  doc     = "A maintenance task in the field, from assignment to automatic closure.",
  initial = "ASSIGNED",

  fields = {
    title                  = { type = "string", permit = PLAN },
    assigned_to            = { type = "any", permit = assign, doc = "people id of who does it" },
    assigned_group         = { type = "any", permit = assign, doc = "id of the group that does it" },
    requires_observations  = { type = "boolean", default = false, permit = PLAN, doc = "no completion without `observations`" },
    observations           = { type = "any", doc = "text, or a list of findings" },
    requires_meter_reading = { type = "boolean", default = false, permit = PLAN, doc = "no completion without `meter_reading`" },
    meter_reading          = { type = "any", doc = "a number, or an object of numbers by meter" },
    requires_photos        = { type = "boolean", default = false, permit = PLAN, doc = "no completion without `photos`" },
    photos                 = { type = "array", doc = "links to the pictures taken" },
    due_at                 = { type = "datetime", permit = PLAN, doc = "when it must be done; else created_at + sla_hours" },
    sla_hours              = { type = "number", min = 0, permit = PLAN, doc = "hours from creation to completion; 24 if absent" },
    created_at             = { type = "datetime", immutable = true, doc = "set at creation if absent" },
    completed_at           = { type = "datetime", editable_in = {}, doc = "set by completion, taken away by reopening" },
  },

  -- Without a `from` state the task is just being created.
  prepare = function(task, ctx)
    if ctx.from == nil and task.created_at == nil then task.created_at = time.format(ctx.now) end
    return task
  end,

  warn = overdue,

  update = { permit = any { PLAN, "activity.complete_task" } },

  states = {
    ASSIGNED = {
      doc = "Somebody is to do it.",
      to  = {
        INPROGRESS = { name = "start", permit = "activity.start_task" },
        WORKING    = { name = "start_working", permit = "activity.start_task" },
        STANDBY    = { name = "hold", permit = "activity.hold_task" },
      },
    },
    INPROGRESS = {
      doc     = "Begun.",
      require = has_assignee,
      to      = {
        WORKING            = { name = "work" },
        COMPLETED          = { name = "complete", permit = "activity.complete_task" },
        PARTIALLYCOMPLETED = { name = "complete_partially" },
        STANDBY            = { name = "hold", permit = "activity.hold_task" },
        ASSIGNED           = { name = "hand_back" },
      },
    },
    WORKING = {
      doc     = "Hands on it.",
      require = has_assignee,
      to      = {
        INPROGRESS         = { name = "pause" },
        COMPLETED          = { name = "complete", permit = "activity.complete_task" },
        PARTIALLYCOMPLETED = { name = "complete_partially", permit = "activity.change_task_status" },
        STANDBY            = { name = "hold" },
        MAINTENANCE        = { name = "maintain", permit = "activity.change_task_status" },
      },
    },
    STANDBY = {
      doc     = "Waits for something outside our hands; the comments say for what.",
      require = checks.comments,
      to      = {
        INPROGRESS = { name = "resume" },
        WORKING    = { name = "work" },
        ASSIGNED   = { name = "hand_back" },
      },
    },
    MAINTENANCE = {
      doc = "The asset is under maintenance.",
      to  = {
        WORKING    = { name = "work" },
        INPROGRESS = { name = "resume" },
      },
    },
    PARTIALLYCOMPLETED = {
      doc = "A part is done, the rest will follow.",
      to  = {
        INPROGRESS = { name = "resume" },
        WORKING    = { name = "work" },
        COMPLETED  = { name = "complete" },
      },
    },
    COMPLETED = {
      doc      = "Done, with all the evidence that was asked for.",
      require  = { evidence(EVIDENCE[1]), evidence(EVIDENCE[2]), evidence(EVIDENCE[3]) },
      on_enter = instants.stamp("completed_at"),
      update   = { permit = PLAN },
      to       = {
        AUTOCLOSED = { name = "close", permit = "activity.close_task" },
        INPROGRESS = { name = "reopen", effect = instants.forget("completed_at") },
      },
    },
    AUTOCLOSED = { doc = "Closed for good.", final = true, update = { guard = checks.closed("The task") } },
  },
}
