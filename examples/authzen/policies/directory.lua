-- Who there is, and what there is: searches look here. A request's own properties count before these.
return {
  directory {
    subjects  = { user = { alice = { permissions = { "record.read" } }, bob = { role = "admin" } } },
    resources = { record = { ["record-1"] = { status = "active" }, ["record-2"] = { status = "archived" } } },
  },
  roles { admin = { "record.read" } },
}
