-- IT incidents as ServiceNow saves them: the states and transitions that the public incident log contains, no more.
-- The log's first row of an incident is often later than New: imports create the incident in that state.
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
      to  = { Active = true, ["Awaiting User Info"] = true, ["Awaiting Problem"] = true, Resolved = true },
    },
    Active = {
      doc = "Somebody works on it.",
      to  = { ["Awaiting User Info"] = true, ["Awaiting Problem"] = true, ["Awaiting Vendor"] = true, Resolved = true },
    },
    ["Awaiting User Info"] = {
      doc = "The caller was asked something.",
      to  = {
        Active = true, ["Awaiting Problem"] = true, ["Awaiting Vendor"] = true, ["Awaiting Evidence"] = true, Resolved = true,
      },
    },
    ["Awaiting Problem"] = {
      doc = "Waits for the solution of the problem behind it.",
      to  = { Active = true, ["Awaiting User Info"] = true, Resolved = true },
    },
    ["Awaiting Vendor"] = {
      doc = "Waits for a vendor.",
      to  = { Active = true, ["Awaiting User Info"] = true, ["Awaiting Evidence"] = true },
    },
    ["Awaiting Evidence"] = {
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
