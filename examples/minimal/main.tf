module "orders" {
  source = "../.."

  name                = var.name
  deletion_protection = var.deletion_protection
  source_table        = { hash_key = { name = "order_id", type = "S" } }

  aggregates = {
    orders_by_customer = {
      group_by = ["customer"]
      measures = { orders = { function = "count" } }
    }
  }
}
