-- Personal data and secrets, taken out before anything is stored in the audit, logged or sent.
return pii {
  -- the key goes with its value, at any depth, in any letter case
  drop   = { "password", "token", "secret", "api_key", "ssn", "credit_card" },
  mask   = { phone = "last4", email = "domain" },
  hash   = { "employee_code" },        -- keyed: equal codes stay comparable
  redact = { "email", "card", "ssn" }, -- patterns in free text: comments, error messages; card by Luhn
}
