-- Who may do what. "*" is everything, "activity.*" everything that begins with "activity.".
return roles {
  -- tasks
  technician = { "activity.start_task", "activity.complete_task", "activity.hold_task", "activity.change_task_status" },
  supervisor = { inherits = "technician", "activity.close_task", "activity.plan_task", "helpdesk.*" },

  -- helpdesk tickets
  helpdesk_agent   = { "y_helpdesk.assign_ticket", "y_helpdesk.work_ticket", "y_helpdesk.resolve_ticket" },
  helpdesk_manager = { inherits = "helpdesk_agent", "y_helpdesk.*" },

  -- work orders
  work_order_requester = { "work_order_management.edit_workorder" },
  work_order_vendor    = { "work_order_management.start_workorder", "work_order_management.complete_workorder" },
  work_order_approver  = { "work_order_management.approve_workorder", "work_order_management.cancel_workorder" },
  work_order_manager   = { "work_order_management.*" },

  admin = { "*" },
}
