module "sensors" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection

  # Readings expire after what their writer says, the finer rows after 7 days, those of days after 10 years.
  source_table = {
    hash_key      = { name = "sensor", type = "S" }
    range_key     = { name = "measured_at", type = "S" }
    ttl_attribute = "expires_at"
  }

  # What a reading has added stays in the rows when DynamoDB deletes it because its time is over.
  on_source_expiry = "keep"

  aggregates = {
    temperature = {
      group_by    = ["site", "sensor"]
      time_bucket = { attribute = "measured_at", units = ["5_minutes", "hour"], retention_days = 7 }
      measures = {
        readings = { function = "count" }
        mean     = { function = "avg", value = "celsius", scale = 3 }
        lowest   = { function = "min", value = "celsius" }
        highest  = { function = "max", value = "celsius" }
        latest   = { function = "last", value = "celsius", order_by = "measured_at" }
      }
    }

    temperature_by_day = {
      group_by    = ["site", "sensor"]
      time_bucket = { attribute = "measured_at", unit = "day", retention_days = 3653 }
      measures = {
        readings = { function = "count" }
        mean     = { function = "avg", value = "celsius", scale = 3 }
        lowest   = { function = "min", value = "celsius" }
        highest  = { function = "max", value = "celsius" }
        spread   = { function = "percentile", value = "celsius" }
      }
    }
  }
}
