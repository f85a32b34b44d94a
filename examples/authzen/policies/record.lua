-- The fixture of the OpenID AuthZEN certification scenario: who may read, write and delete records.
local function may_write(subject, resource)
  if resource.properties.status == "archived" then
    return subject.properties.role == "admin", "An archived record is for administrators"
  end
  return subject.id == "alice", "Only alice writes active records"
end

-- Only what can be taken back.
local function may_delete(subject, _, ctx)
  return subject.id == "alice" and ctx.action.properties.soft == true, "Records are deleted softly, by alice"
end

return access "record" {
  doc     = "A record that is read by everybody who is known, and written by few.",
  actions = { read = "record.read", write = may_write, delete = may_delete },
}
