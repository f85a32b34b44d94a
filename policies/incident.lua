-- IT incidents as ServiceNow saves them: the states and ways that the public incident log contains, no more.
-- A space in a state's name is written `_` here. The log's first row of an incident is often later than New:
-- imports create the incident in that state.
return machine "incident" {
  doc     = "An IT incident, from its report to closure.",
  initial = "New",

  fields = {
    active                  = "boolean",
    made_sla                = "boolean",
    knowledge               = "boolean",
    u_priority_confirmation = "boolean",
    reassignment_count      = { type = "integer", min = 0 },
    reopen_count            = { type = "integer", min = 0 },
    sys_mod_count           = { type = "integer", min = 0 },
    opened_at               = "datetime",
    sys_created_at          = "datetime",
    sys_updated_at          = "datetime",
    resolved_at             = "datetime",
    closed_at               = "datetime",
    impact                  = { type = "string", enum = { "1 - High", "2 - Medium", "3 - Low" } },
    urgency                 = { type = "string", enum = { "1 - High", "2 - Medium", "3 - Low" } },
    priority                = { type = "string", enum = { "1 - Critical", "2 - High", "3 - Moderate", "4 - Low" } },
  },

  states = {
    New = {
      doc = "Reported.",
      to  = { Active = true, Awaiting_User_Info = true, Awaiting_Problem = true, Resolved = true },
    },
    Active = {
      doc = "Somebody works on it.",
      to  = { Awaiting_User_Info = true, Awaiting_Problem = true, Awaiting_Vendor = true, Resolved = true },
    },
    Awaiting_User_Info = {
      doc = "The caller was asked something.",
      to  = {
        Active = true, Awaiting_Problem = true, Awaiting_Vendor = true, Awaiting_Evidence = true, Resolved = true,
      },
    },
    Awaiting_Problem = {
      doc = "Waits for the solution of the problem behind it.",
      to  = { Active = true, Awaiting_User_Info = true, Resolved = true },
    },
    Awaiting_Vendor = {
      doc = "Waits for a vendor.",
      to  = { Active = true, Awaiting_User_Info = true, Awaiting_Evidence = true },
    },
    Awaiting_Evidence = {
      doc = "Waits for proof that it is solved.",
      to  = { Resolved = true },
    },
    Resolved = {
      doc = "Solved, in the resolver's view.",
      to  = { Active = true, Closed = true },
    },
    Closed = { doc = "Accepted, or left to rest.", final = true },
  },
}
