module "orders" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection

  source_table               = { hash_key = { name = "order_id", type = "S" } }
  aggregates_in_source_table = true

  aggregates = {
    orders_by_customer = {
      group_by = ["customer"]
      measures = {
        orders  = { function = "count" }
        revenue = { function = "sum", value = "amount" }
        largest = { function = "max", value = "amount" }
      }
      rank_by = "revenue"
    }

    orders_by_day = {
      time_bucket = { attribute = "ordered_at", unit = "day" }
      measures = {
        orders  = { function = "count" }
        revenue = { function = "sum", value = "amount" }
      }
    }
  }

  create_api = true
  api = {
    attributes = {
      order_id   = { type = "S" }
      customer   = { type = "S", required = true }
      amount     = { type = "N", required = true }
      ordered_at = { type = "S", required = true }
    }
  }

  tags = { Example = "same-table" }
}
