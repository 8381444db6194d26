# The first pipeline makes the table.
module "sales" {
  source = "../.."

  name                = "${var.name}-sales"
  deletion_protection = var.deletion_protection
  source_table        = { hash_key = { name = "order_id", type = "S" } }

  aggregates = {
    revenue_by_product = {
      group_by = ["product"]
      measures = { revenue = { function = "sum", value = "amount" } }
    }
  }
}

# The second one reads the same stream, with a function, a ledger and rows of its own: another team's aggregates, deployed
# and changed by themselves. A stream bears two readers; a third would be throttled.
module "customers" {
  source = "../.."

  name                  = "${var.name}-customers"
  deletion_protection   = var.deletion_protection
  source_table          = { hash_key = { name = "order_id", type = "S" } }
  existing_source_table = { stream_arn = module.sales.source_stream_arn }

  aggregates = {
    orders_by_customer = {
      group_by = ["customer"]
      measures = { orders = { function = "count" } }
    }
  }
}
