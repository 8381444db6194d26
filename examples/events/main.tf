module "clicks" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection
  source_table        = { hash_key = { name = "event_id", type = "S" }, ttl_attribute = "expires_at" }

  # Events are written once. So their expiry and deletion take nothing back, and the ledger may forget them: it stays as
  # small as the traffic of 40 days, which is longer than records wait in the failure bucket.
  append_only           = true
  ledger_retention_days = 40

  aggregates = {
    views_by_page = {
      group_by    = ["page"]
      where       = "kind == 'view'"
      time_bucket = { arrival = true, unit = "hour", retention_days = 90 }
      measures = {
        views    = { function = "count" }
        visitors = { function = "distinct", value = "visitor" }
      }
    }
  }
}
